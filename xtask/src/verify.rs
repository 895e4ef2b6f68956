//! `cargo xtask verify`: says what is not as it must be in the shop that runs on this machine, or in another one.

use std::{
    env,
    ffi::OsString,
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail};

use crate::{
    build,
    local::{Local, Taken},
    process::{self, Interrupt},
    up::{servers::Servers, services::SERVICES},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What the program `verify` is told: `--help` lists it
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

pub(crate) fn run(args: &Args, interrupt: &Interrupt) -> Result<ExitCode> {
    let asks_for_help = args.arguments.iter().any(|argument| argument == "--help" || argument == "-h");
    let environment = if asks_for_help || is_told() { Vec::new() } else { of_this_machine()? };
    let programs = build::programs(&["verify"], interrupt)?;
    let program = programs.get("verify").context("cargo built no program `verify`")?;
    let mut verify = Command::new(program);
    let mut child = verify.args(&args.arguments).envs(environment).spawn().context("cannot run verify")?;
    let status = process::wait(&mut child, interrupt)?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(2)))
}

/// Whether the environment says where the databases are.
fn is_told() -> bool {
    kept().any(|name| {
        let variable = variable(name);
        env::var_os(&variable).is_some() || env::var_os(format!("{variable}_FILE")).is_some()
    })
}

/// Where everything of the shop is that `cargo xtask up` runs.
fn of_this_machine() -> Result<Vec<(String, String)>> {
    let local = Local::open()?;
    if !matches!(local.lock()?, Err(Taken { .. })) {
        bail!(
            "no shop runs here: `cargo xtask up` opens one. For another one set BOOKSTORE_<SERVICE>_DATABASE_URL of \
             each service, and BOOKSTORE_NATS_URL"
        );
    }
    let servers = Servers::of(&local).context("the shop is just being started: try again")?;
    let databases = kept().map(|name| (variable(name), servers.database(name)));
    Ok(databases.chain([("BOOKSTORE_NATS_URL".to_owned(), servers.nats().to_owned())]).collect())
}

fn kept() -> impl Iterator<Item = &'static str> {
    SERVICES.iter().filter(|service| service.keeps).map(|service| service.name)
}

fn variable(service: &str) -> String {
    format!("BOOKSTORE_{}_DATABASE_URL", service.to_uppercase())
}
