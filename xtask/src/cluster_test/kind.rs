//! A kind cluster of the tests' own.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Result, ensure};

use crate::{
    local::Local,
    process::{self, Interrupt},
    say, tools,
};

use super::place::{Loader, Place};

/// The cluster's name.
const NAME: &str = "bookstore-test";

/// Whether Docker answers.
pub(super) fn is_possible() -> bool {
    let mut docker = Command::new("docker");
    docker.args(["version", "--format", "{{.Server.Version}}"]);
    docker.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    docker.status().is_ok_and(|status| status.success())
}

/// A new cluster, known to a kubeconfig of its own: the user's stays as it is.
pub(super) fn up(interrupt: &Interrupt) -> Result<Place> {
    tools::install(&[tools::KIND], interrupt)?;
    let kubeconfig = Local::open()?.path("cluster-test.kubeconfig");
    say::doing("Starting", format_args!("the kind cluster {NAME}"));
    let mut create = Command::new(tools::KIND.program()?);
    create.args(["create", "cluster", "--name", NAME, "--wait", "3m", "--kubeconfig"]).arg(&kubeconfig);
    let status = process::run(&mut create, interrupt)?;
    ensure!(status.success(), "kind ended with {status}: `kind delete cluster --name {NAME}` if one is left");
    let mut delete = Command::new(tools::KIND.program()?);
    delete.args(["delete", "cluster", "--name", NAME, "--kubeconfig"]).arg(&kubeconfig);
    Ok(Place {
        context: format!("kind-{NAME}"),
        kubeconfig: Some(kubeconfig),
        loader: Loader::Kind(NAME.to_owned()),
        take_down: Some(delete),
    })
}

/// Puts archives into the nodes of a kind cluster. What others make its nodes pull.
pub(super) fn load(name: &str, archives: &[PathBuf], interrupt: &Interrupt) -> Result<()> {
    tools::install(&[tools::KIND], interrupt)?;
    for archive in archives {
        let mut load = Command::new(tools::KIND.program()?);
        let status =
            process::run(load.args(["load", "image-archive", "--name", name]).arg(archive), interrupt)?;
        ensure!(status.success(), "kind ended with {status}");
    }
    Ok(())
}
