//! Finding and running the programs of this machine.

use std::{
    env,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

/// A way to install something: whether it can be tried here, what with, and how.
pub(crate) type Way = (bool, &'static str, fn() -> Result<()>);

/// The first file of that name on PATH that can be run.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|file| is_program(file))
}

pub(crate) fn is_program(file: &Path) -> bool {
    file.metadata().is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o111 != 0)
}

/// Runs to the end; fails with what the program said when it did not succeed.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {name}"))?;
    if !output.status.success() {
        let said =
            String::from_utf8_lossy(if output.stderr.is_empty() { &output.stdout } else { &output.stderr });
        let last: Vec<&str> = said.trim().lines().rev().take(5).collect();
        bail!("{name} failed ({}): {}", output.status, last.into_iter().rev().collect::<Vec<_>>().join("; "));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The first `major.minor` in what a program says of its version.
pub(crate) fn version_in(text: &str) -> Option<(u32, u32)> {
    text.split(|c: char| !c.is_ascii_digit() && c != '.').find_map(|word| {
        let mut parts = word.split('.');
        let major = parts.next()?.parse().ok()?;
        Some((major, parts.next().and_then(|minor| minor.parse().ok()).unwrap_or(0)))
    })
}

/// Whether a Docker daemon answers, not only whether its client is installed.
pub(crate) fn docker() -> bool {
    find("docker").is_some_and(|docker| {
        run(Command::new(docker).args(["version", "--format", "{{.Server.Version}}"])).is_ok()
    })
}

/// Whether apt can install here.
pub(crate) fn apt() -> bool {
    crate::account::is_root() && Path::new("/etc/debian_version").exists() && find("apt-get").is_some()
}

/// Installs Debian packages.
pub(crate) fn apt_install(packages: &[&str]) -> Result<()> {
    let apt = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").args(["-q", "-o", "DPkg::Lock::Timeout=300"]);
        command
    };
    // A list that could not be refreshed may still do: the installation says so if not.
    let refreshed = run(apt().arg("update"));
    run(apt()
        .args(["-y", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold", "install"])
        .args(packages))
    .with_context(|| match refreshed {
        Ok(_) => format!("cannot install {}", packages.join(" ")),
        Err(error) => format!("cannot install {} ({error})", packages.join(" ")),
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_servers_say() {
        assert_eq!(version_in("nats-server: v2.15.1"), Some((2, 15)));
        assert_eq!(version_in("postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)"), Some((15, 13)));
        assert_eq!(version_in("postgres (PostgreSQL) 18beta1"), Some((18, 0)));
        assert_eq!(version_in("no version"), None);
    }

    #[test]
    fn a_failure_carries_what_the_program_said() {
        let error = run(Command::new("sh").args(["-c", "echo broken >&2; exit 3"])).unwrap_err();
        assert!(error.to_string().contains("broken"), "{error}");
    }
}
