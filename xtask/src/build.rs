//! Building programs of the workspace.

use std::{
    collections::HashMap,
    env,
    ffi::OsString,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::{
    local,
    process::{self, Interrupt},
};

/// A call of the cargo that runs us, in the checkout.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command.current_dir(local::checkout());
    command
}

/// Where each built program is, by name.
pub(crate) type Programs = HashMap<String, PathBuf>;

/// Builds the programs of these packages; cargo shows its progress.
pub(crate) fn programs(packages: &[&str], interrupt: &Interrupt) -> Result<Programs> {
    build(&mut cargo(), packages, &[], interrupt)
}

/// Builds the programs of these packages for release, for a target that links statically.
pub(crate) fn release(packages: &[&str], target: &str, interrupt: &Interrupt) -> Result<Programs> {
    build(&mut linking_statically(target), packages, &["--release", "--target", target], interrupt)
}

/// Builds the programs of these packages as developers run them, for a target that links statically.
pub(crate) fn unoptimised(packages: &[&str], target: &str, interrupt: &Interrupt) -> Result<Programs> {
    build(&mut linking_statically(target), packages, &["--target", target], interrupt)
}

fn linking_statically(target: &str) -> Command {
    let mut cargo = cargo();
    // What C there is needs no other compiler: it calls nothing of the C library that musl has otherwise.
    cargo.env(format!("CC_{}", target.replace('-', "_")), "gcc");
    cargo
}

/// Builds the fuzzer; what is ours in it counts the branches that it takes.
pub(crate) fn instrumented(interrupt: &Interrupt) -> Result<PathBuf> {
    let mut cargo = cargo();
    cargo.env("RUSTC_WORKSPACE_WRAPPER", local::checkout().join("fuzz/instrument"));
    let mut programs = build(&mut cargo, &["fuzz"], &["--features", "fuzz/libfuzzer"], interrupt)?;
    programs.remove("fuzz").context("cargo built no fuzzer")
}

fn build(
    command: &mut Command,
    packages: &[&str],
    options: &[&str],
    interrupt: &Interrupt,
) -> Result<Programs> {
    command.args(["build", "--bins", "--message-format=json-render-diagnostics"]).args(options);
    for package in packages {
        command.args(["--package", package]);
    }
    let mut build =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("cannot run cargo")?;
    let output = build.stdout.take().context("cargo has no output")?;
    // Read beside the waiting, which an interrupt ends.
    let reader = std::thread::spawn(move || executables(BufReader::new(output)));
    let status = process::wait(&mut build, interrupt)?;
    if !status.success() {
        bail!("the build failed");
    }
    reader.join().map_err(|_| anyhow::anyhow!("reading cargo's output failed"))?
}

/// Picks the programs out of what cargo says it built (`cargo build --message-format=json`).
fn executables(messages: impl BufRead) -> Result<Programs> {
    let mut programs = Programs::new();
    for line in messages.lines() {
        let Ok(message) = serde_json::from_str::<serde_json::Value>(&line?) else { continue };
        if let (Some(name), Some(path)) = (message["target"]["name"].as_str(), message["executable"].as_str())
        {
            programs.insert(name.to_owned(), PathBuf::from(path));
        }
    }
    Ok(programs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_among_cargos_messages() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"values"},"executable":null}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"name":"order"},"executable":"/t/debug/order"}"#,
            "\nnot JSON\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        let programs = executables(messages.as_bytes()).unwrap();
        assert_eq!(programs, Programs::from([("order".to_owned(), PathBuf::from("/t/debug/order"))]));
    }
}
