use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use system_tests::Service;

/// The folder that was asked for, or one with programs built now; and what another process is to be told so that it takes
/// the same.
pub(super) fn choose(asked: Option<&Path>) -> Result<(PathBuf, Vec<OsString>)> {
    if let Some(folder) = asked {
        return Ok((folder.canonicalize()?, Vec::new()));
    }
    let folder = build()?;
    let told = vec!["--programs".into(), folder.clone().into_os_string()];
    Ok((folder, told))
}

/// The folder with the services' programs: beside this one, built anew from the checkout, so that nothing old is measured.
fn build() -> Result<PathBuf> {
    let own = env::current_exe()?;
    let folder = own.parent().context("this program lies in no folder")?.to_owned();
    let target = folder.parent().context("this program lies in no target folder")?;
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.arg("build").arg("--target-dir").arg(target).current_dir(env!("CARGO_MANIFEST_DIR"));
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    cargo.args(Service::ALL.iter().flat_map(|service| ["--package", service.name()]));
    let built = cargo.status().context("cannot run cargo; --programs takes those that are built")?;
    ensure!(built.success(), "the services don't build");
    Ok(folder)
}

/// Whether all of them are there.
pub(super) fn check(folder: &Path) -> Result<()> {
    for service in Service::ALL {
        let program = folder.join(service.name());
        ensure!(program.is_file(), "{} is not there", program.display());
    }
    Ok(())
}
