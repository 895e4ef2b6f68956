//! Every target takes what is known without breaking its promises.

use std::{fs, io, panic, path::Path};

use fuzz::{TARGETS, Target};

/// Inputs that broke a promise once, a folder for each target.
fn regressions(target: &Target) -> io::Result<Vec<Vec<u8>>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions").join(target.name);
    let Ok(files) = fs::read_dir(folder) else { return Ok(Vec::new()) };
    files.map(|file| fs::read(file?.path())).collect()
}

fn holds(target: &Target, input: &[u8]) {
    let outcome = panic::catch_unwind(|| (target.run)(input));
    assert!(outcome.is_ok(), "{} breaks on {:?}", target.name, String::from_utf8_lossy(input));
}

#[test]
fn no_input_that_was_found_before_breaks_anything_again() {
    for target in TARGETS {
        for input in regressions(target).unwrap() {
            holds(target, &input);
        }
    }
}

#[test]
fn examples_and_pieces_of_them_break_nothing() {
    for target in TARGETS {
        holds(target, b"");
        for example in (target.examples)() {
            assert!(example.len() <= target.longest, "{}: an example is never tried whole", target.name);
            holds(target, &example);
            // A few: what searches for more is `cargo xtask fuzz`.
            let steps = example.len().div_ceil(8).max(1);
            for at in (0..example.len()).step_by(steps) {
                holds(target, &example[..at]);
                holds(target, &example[at..]);
                for other in [0, 0xff, example[at] ^ 1] {
                    let mut changed = example.clone();
                    changed[at] = other;
                    holds(target, &changed);
                }
            }
        }
    }
}

#[test]
fn every_target_has_a_name_of_its_own_and_examples() {
    for (index, target) in TARGETS.iter().enumerate() {
        assert!(
            TARGETS[..index].iter().all(|other| other.name != target.name),
            "{} is twice there",
            target.name
        );
        assert!(!(target.examples)().is_empty(), "{} has no examples", target.name);
    }
}
