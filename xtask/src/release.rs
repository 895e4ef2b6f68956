//! `cargo xtask release`: the programs as they are shipped, static and without fault points.

use std::{
    collections::BTreeMap,
    env::consts::ARCH,
    fs,
    path::PathBuf,
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{
    build::{self, Programs},
    images::IMAGES,
    local,
    process::{self, Interrupt},
    say,
};

/// In every program that has fault points.
const FAULT_VARIABLE: &[u8] = b"BOOKSTORE_FAULT";

pub(crate) fn run(interrupt: &Interrupt) -> Result<ExitCode> {
    let programs: BTreeMap<_, _> = programs(interrupt)?.into_iter().collect();
    for program in programs.into_values() {
        let size = fs::metadata(&program)?.len();
        println!("{:>6} kB  {}", size / 1_000, local::short(&program));
    }
    Ok(ExitCode::SUCCESS)
}

/// Builds what is shipped for musl, and makes sure that nothing of it can be told to die.
///
/// Always all of it: what is built together shares crates, with the features that any of them needs. Built apart they
/// would be other programs, and each crate be built again.
pub(crate) fn programs(interrupt: &Interrupt) -> Result<Programs> {
    let packages: Vec<&str> = IMAGES.iter().map(|image| image.package).collect();
    let target = format!("{ARCH}-unknown-linux-musl");
    install(&target, interrupt)?;
    say::doing("Building", format_args!("for release, static ({target})"));
    let programs = build::release(&packages, &target, interrupt)?;
    ensure!(
        programs.len() == packages.len(),
        "{} programs were built, not {}",
        programs.len(),
        packages.len()
    );
    for program in programs.values() {
        let bytes = fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
        if bytes.windows(FAULT_VARIABLE.len()).any(|window| window == FAULT_VARIABLE) {
            bail!("{} has fault points", program.display());
        }
    }
    Ok(programs)
}

/// The standard library for `target`, by rustup where it is missing.
pub(crate) fn install(target: &str, interrupt: &Interrupt) -> Result<()> {
    let folder = Command::new("rustc").args(["--print", "target-libdir", "--target", target]).output()?;
    let folder = PathBuf::from(String::from_utf8_lossy(&folder.stdout).trim());
    if folder.is_dir() {
        return Ok(());
    }
    let added = process::run(Command::new("rustup").args(["target", "add", target]), interrupt);
    ensure!(
        added.is_ok_and(|status| status.success()),
        "Rust for {target} is missing: rustup target add {target}"
    );
    Ok(())
}
