//! A cluster that a folder of scripts makes, for machines without Docker: `up`, `down`, `build`, `kubectl-env`,
//! `load-image`, and `images/` with what no registry gives.

use std::{
    env, fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    local,
    process::{self, Interrupt},
    say, tools,
};

use super::place::{Loader, Place, told};

/// Names the folder.
const FOLDER: &str = "BOOKSTORE_TEST_CLUSTER";
/// The chart's images that aren't ours, by the value that names them and the script that makes one.
const OTHERS: [(&str, &str); 3] =
    [("postgres.image", "postgres"), ("nats.image", "nats"), ("jaeger.image", "jaeger")];
/// What the scripts' `kubectl-env` makes of a shell: whatever else it knew of a cluster must not be asked when that fails.
const ASK: &str =
    r#"env=$("$0/kubectl-env") && eval "$env" && echo "$KUBECONFIG" && kubectl config current-context"#;
const IS_UP: &str = r#"env=$("$0/kubectl-env") && eval "$env" && kubectl get --raw /readyz"#;

#[derive(Clone, Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// The one that the environment names.
    pub(super) fn named() -> Option<Self> {
        env::var_os(FOLDER).filter(|folder| !folder.is_empty()).map(|folder| Self(folder.into()))
    }

    /// Its cluster, which is started if it doesn't run.
    pub(super) fn up(self, interrupt: &Interrupt) -> Result<Place> {
        let was_up = self.asked(IS_UP).is_ok();
        let status = process::run(&mut self.script("up"), interrupt)?;
        ensure!(status.success(), "{} ended with {status}", self.0.join("up").display());
        let take_down = if was_up { None } else { Some(self.script("down")) };
        Ok(Place {
            context: self.context()?,
            kubeconfig: Some(self.kubeconfig()?),
            loader: Loader::Folder(self),
            take_down,
        })
    }

    /// The context of its cluster, which runs.
    pub(super) fn context(&self) -> Result<String> {
        let answer = self.asked(ASK)?;
        answer.lines().nth(1).map(str::to_owned).context("kubectl-env names no context")
    }

    pub(super) fn kubeconfig(&self) -> Result<PathBuf> {
        let answer = self.asked(ASK)?;
        answer.lines().next().map(PathBuf::from).context("kubectl-env names no kubeconfig")
    }

    pub(super) fn load(&self, archives: &[PathBuf], interrupt: &Interrupt) -> Result<()> {
        let status = process::run(self.script("load-image").args(archives).stderr(Stdio::null()), interrupt)?;
        ensure!(status.success(), "{} ended with {status}", self.0.join("load-image").display());
        Ok(())
    }

    /// Builds what is kept between runs.
    pub(super) fn fill(&self, interrupt: &Interrupt) -> Result<()> {
        let status = process::run(self.script("build").stdout(Stdio::null()), interrupt)?;
        ensure!(status.success(), "{} ended with {status}", self.0.join("build").display());
        self.others(interrupt).map(drop)
    }

    /// Archives of the images that the chart takes from others, under the names that it calls them by.
    pub(super) fn others(&self, interrupt: &Interrupt) -> Result<Vec<PathBuf>> {
        let chart = local::checkout().join("deploy/helm/bookstore");
        let mut archives = Vec::new();
        for (value, script) in OTHERS {
            interrupt.check()?;
            let name = told(
                Command::new(tools::HELM.program()?)
                    .args(["show", "values"])
                    .arg(&chart)
                    .args(["--jsonpath", &format!("{{.{value}}}")]),
            )?;
            say::doing("Making", &name);
            let path = self.0.join("images").join(script);
            ensure!(fs::exists(&path)?, "there is no {}", path.display());
            archives.push(told(Command::new(path).arg(name))?.into());
        }
        Ok(archives)
    }

    fn script(&self, name: &str) -> Command {
        Command::new(self.0.join(name))
    }

    fn asked(&self, script: &str) -> Result<String> {
        told(Command::new("bash").args(["-c", script]).arg(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn write(path: &std::path::Path, script: &str) {
        fs::write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn a_folder_is_asked_for_the_kubeconfig_and_the_context_of_its_cluster() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        write(&path.join("kubectl"), "echo here");
        let env = format!("echo \"export KUBECONFIG='/k/config' PATH='{}':\\\"\\$PATH\\\"\"", path.display());
        write(&path.join("kubectl-env"), &env);
        let asked = Folder(path.to_owned());
        assert_eq!(asked.kubeconfig().unwrap(), PathBuf::from("/k/config"));
        assert_eq!(asked.context().unwrap(), "here");
    }

    #[test]
    fn a_cluster_that_is_down_has_no_context() {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("kubectl-env"), "exit 1");
        assert!(Folder(folder.path().to_owned()).context().is_err());
    }
}
