//! A cluster to test on.

use std::{
    ffi::OsString,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    process::{self, Interrupt},
    say,
};

use super::{folder::Folder, kind};

/// A cluster, as the tests use it. One that was started for them is taken down when it is dropped.
pub(super) struct Place {
    pub(super) context: String,
    pub(super) kubeconfig: Option<PathBuf>,
    pub(super) loader: Loader,
    pub(super) take_down: Option<Command>,
}

/// Who puts images into it.
pub(super) enum Loader {
    /// The scripts of a folder.
    Folder(Folder),
    /// kind, by the cluster's name.
    Kind(String),
    /// Its nodes pull them.
    Nobody,
}

impl Place {
    /// The cluster of a context.
    pub(super) fn given(context: &str) -> Result<Self> {
        let kind = context.strip_prefix("kind-").filter(|_| kind::is_possible());
        let loader = match (kind, Folder::named()) {
            (Some(name), _) => Loader::Kind(name.to_owned()),
            (None, Some(folder)) if folder.context().is_ok_and(|theirs| theirs == context) => {
                Loader::Folder(folder)
            }
            _ => Loader::Nobody,
        };
        let kubeconfig = match &loader {
            Loader::Folder(folder) => Some(folder.kubeconfig()?),
            _ => None,
        };
        Ok(Self { context: context.to_owned(), kubeconfig, loader, take_down: None })
    }

    /// Puts archives into its nodes.
    pub(super) fn load(&self, archives: &[PathBuf], interrupt: &Interrupt) -> Result<()> {
        say::doing("Loading", format_args!("{} images", archives.len()));
        match &self.loader {
            Loader::Folder(folder) => folder.load(archives, interrupt),
            Loader::Kind(name) => kind::load(name, archives, interrupt),
            Loader::Nobody => Ok(()),
        }
    }

    /// The variable that names its kubeconfig, unless it is the usual one.
    pub(super) fn kubeconfig(&self) -> Option<(&'static str, OsString)> {
        self.kubeconfig.clone().map(|path| ("KUBECONFIG", path.into_os_string()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(command) = &mut self.take_down {
            say::doing("Stopping", "the cluster");
            if let Err(error) = process::run(command, &Interrupt::default()) {
                say::doing("Warning", format_args!("the cluster may still run: {error:#}"));
            }
        }
    }
}

/// What a command writes, when it ends well.
pub(super) fn told(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot run {name}"))?;
    ensure!(output.status.success(), "{name} ended with {}", output.status);
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
