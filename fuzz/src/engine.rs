//! Searches for inputs that break a target's promises, guided by the code that they reach: `cargo xtask fuzz` builds and
//! runs it. The arguments are libFuzzer's; what is not an input of its own comes by the environment.
#![no_main]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command of the terminal talks by printing")]

use std::{env, fs, path::Path, process, sync::OnceLock};

use fuzz::{TARGETS, Target};

static CHOSEN: OnceLock<&'static Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(
    init: prepare(),
    |bytes: &[u8]| {
        if let Some(target) = CHOSEN.get() {
            (target.run)(bytes);
        }
    }
);

/// Chooses the target, and puts its examples where the search begins. Without a target's name the names are told.
fn prepare() {
    let Ok(name) = env::var("BOOKSTORE_FUZZ_TARGET") else {
        for target in TARGETS {
            println!("{}\t{}\t{}", target.name, target.longest, target.about);
        }
        process::exit(0);
    };
    let chosen = Target::named(&name).and_then(|target| CHOSEN.set(target).ok().map(|()| target));
    let Some(target) = chosen else {
        eprintln!("there is no target {name}");
        process::exit(2);
    };
    let Some(corpus) = env::var_os("BOOKSTORE_FUZZ_CORPUS") else { return };
    for (number, example) in (target.examples)().into_iter().enumerate() {
        if let Err(error) = fs::write(Path::new(&corpus).join(format!("example-{number}")), example) {
            eprintln!("the examples can't be put into {}: {error}", corpus.display());
            process::exit(2);
        }
    }
}
