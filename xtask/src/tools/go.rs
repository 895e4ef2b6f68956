//! Go: what builds most of the tools, and carries the definitions of others' kinds.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::process::{self, Interrupt};

use super::Missing;

/// The oldest that builds all of them.
const OLDEST: (u32, u32) = (1, 26);

/// A module of Go's proxy, of which files are read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Module {
    pub(crate) path: &'static str,
    pub(crate) version: &'static str,
}

/// A Go that is new enough.
#[derive(Clone, Debug)]
pub(crate) struct Go(PathBuf);

impl Go {
    /// On PATH, or where Go's own installer puts it.
    pub(crate) fn find() -> Result<Self, Missing> {
        let mut found = None;
        for program in ["go", "/usr/local/go/bin/go"] {
            let Ok(output) = Command::new(program).arg("version").stdin(Stdio::null()).output() else {
                continue;
            };
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            if version(&said).is_some_and(|version| version >= OLDEST) {
                return Ok(Self(program.into()));
            }
            found.get_or_insert(said);
        }
        let (major, minor) = OLDEST;
        Err(Missing(match found {
            Some(old) => format!("it takes Go {major}.{minor} or newer, and here is `{}`", old.trim()),
            None => format!("it takes Go {major}.{minor} or newer (https://go.dev/dl)"),
        }))
    }

    fn command(&self, folder: &Path) -> Command {
        let mut command = Command::new(&self.0);
        // Without C no compiler is needed, and the programs run anywhere.
        command.current_dir(folder).env("CGO_ENABLED", "0").env("GOWORK", "off").env_remove("GOFLAGS");
        command
    }

    /// Builds the program of a package. In a module of its own, since `go install` refuses modules that replace others.
    pub(super) fn build(
        &self,
        package: &str,
        version: &str,
        instead_of: Option<&str>,
        program: &Path,
        interrupt: &Interrupt,
    ) -> Result<()> {
        let module = tempfile::tempdir()?;
        let run = |args: &[&str]| -> Result<()> {
            let said = process::listen(self.command(module.path()).args(args), interrupt)?;
            if !said.status.success() {
                let lines: Vec<&str> = said.errors.lines().collect();
                bail!(
                    "`go {}` failed:\n{}",
                    args.join(" "),
                    lines[lines.len().saturating_sub(5)..].join("\n")
                );
            }
            Ok(())
        };
        run(&["mod", "init", "tool"])?;
        if let Some(modules) = instead_of {
            run(&["mod", "edit", "-replace", modules])?;
        }
        run(&["get", "-tool", &format!("{package}@v{version}")])?;
        run(&["build", "-o", program.to_str().context("the cache's path is no text")?, package])
    }

    /// The folder of a module's files, downloaded if it isn't here yet.
    pub(crate) fn download(&self, module: Module) -> Result<PathBuf> {
        let name = format!("{}@{}", module.path, module.version);
        let output = self
            .command(&env::temp_dir())
            .args(["mod", "download", "-json", &name])
            .stdin(Stdio::null())
            .output()
            .context("cannot run go")?;
        let told: serde_json::Value = serde_json::from_slice(&output.stdout).with_context(|| {
            format!("go could not get {name}: {}", String::from_utf8_lossy(&output.stderr).trim())
        })?;
        ensure!(told["Error"].is_null(), "go could not get {name}: {}", told["Error"]);
        told["Dir"].as_str().map(PathBuf::from).with_context(|| format!("{name} has no folder"))
    }
}

/// What `go version` says: `go version go1.26.8 linux/amd64`.
fn version(said: &str) -> Option<(u32, u32)> {
    let mut parts = said.split_whitespace().nth(2)?.strip_prefix("go")?.split('.');
    let major = parts.next()?.parse().ok()?;
    // `1.27rc1` is on its way to 1.27, and has all that 1.26 has.
    let minor: String = parts.next()?.chars().take_while(char::is_ascii_digit).collect();
    Some((major, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_says_its_version() {
        assert_eq!(version("go version go1.26.8 linux/amd64\n"), Some((1, 26)));
        assert_eq!(version("go version go1.27rc1 linux/arm64"), Some((1, 27)));
        assert_eq!(version("go version devel +abc linux/amd64"), None);
        assert_eq!(version(""), None);
    }
}
