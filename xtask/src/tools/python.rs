//! Programs from Python's package index, each in an environment of its own.

use std::{path::Path, process::Command};

use anyhow::{Result, bail};

use crate::process::{self, Interrupt};

use super::Missing;

/// Makes an environment with one package. `folder` must be where it stays: its programs name it.
pub(super) fn install(package: &str, version: &str, folder: &Path, interrupt: &Interrupt) -> Result<()> {
    let made = process::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder), interrupt);
    if !made.is_ok_and(|status| status.success()) {
        interrupt.check()?;
        return Err(
            Missing("it takes python3 with venv (Debian: apt install python3-venv)".to_owned()).into()
        );
    }
    let status = process::run(
        Command::new(folder.join("bin/pip"))
            .args(["install", "--quiet", "--disable-pip-version-check"])
            .arg(format!("{package}=={version}")),
        interrupt,
    )?;
    if !status.success() {
        bail!("pip could not get {package} {version} from PyPI");
    }
    Ok(())
}
