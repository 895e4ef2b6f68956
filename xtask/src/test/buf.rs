//! `buf`, from Python's package index in a virtual environment of its own: one version for everybody.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{
    process::{self, Interrupt},
    say,
};

const VERSION: &str = "1.75.0";

/// Where it is; installed if it isn't yet.
pub(crate) fn locate(interrupt: &Interrupt) -> Result<PathBuf> {
    let environment = cache()?.join(format!("buf-{VERSION}"));
    let buf = environment.join("bin/buf");
    if !buf.exists() {
        say::doing("Installing", format_args!("buf {VERSION}"));
        install(&environment, interrupt)?;
    }
    Ok(buf)
}

fn install(environment: &Path, interrupt: &Interrupt) -> Result<()> {
    let step = |command: &mut Command, hint: &str| {
        let outcome = process::run(command, interrupt);
        match outcome {
            Ok(status) if status.success() => Ok(()),
            outcome => {
                // A half-made environment would be taken for a whole one.
                fs::remove_dir_all(environment).ok();
                outcome?;
                bail!("cannot install buf: {hint}")
            }
        }
    };
    step(
        Command::new("python3").args(["-m", "venv", "--clear"]).arg(environment),
        "python3 with venv is needed (Debian: apt install python3-venv)",
    )?;
    step(
        Command::new(environment.join("bin/pip"))
            .args(["install", "--quiet", "--disable-pip-version-check"])
            .arg(format!("buf-bin=={VERSION}")),
        "pip could not get buf-bin from PyPI",
    )
}

fn cache() -> Result<PathBuf> {
    let base = match env::var_os("XDG_CACHE_HOME").filter(|folder| !folder.is_empty()) {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env::var_os("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?)
            .join(".cache"),
    };
    let folder = base.join("bookstore/tools");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}
