//! `cargo xtask up`: the whole shop on this machine, until somebody stops it.

mod addresses;
mod certificates;
mod databases;
mod ports;
mod secrets;
pub(crate) mod servers;
pub(crate) mod services;
mod shop;
mod traces;

use std::{
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{ExitCode, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::{
    build::{self, Programs},
    local::{Local, Taken},
    process::{self, INTERRUPTED, Interrupt},
    say,
};

use self::{certificates::Certificates, services::SERVICES, shop::Shop, traces::Traces};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A folder with programs that are built already (target/release), instead of building them
    #[arg(long, value_name = "FOLDER")]
    programs: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, interrupt: &Interrupt) -> Result<ExitCode> {
    let local = Local::open()?;
    let _lock = match local.lock()? {
        Ok(lock) => lock,
        Err(Taken { by: Some(owner) }) => {
            bail!("the shop is running already (process {owner}); `cargo xtask down` stops it")
        }
        Err(Taken { by: None }) => bail!("another command is starting or wiping the shop"),
    };
    let mut shop = Shop::default();
    let outcome = open(args, &mut shop, &local, interrupt).and_then(|()| shop.watch(interrupt));
    let code = match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) if interrupt.requested() => ExitCode::from(INTERRUPTED),
        Err(error) => {
            // Said at once: stopping takes a while.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    };
    shop.close();
    Ok(code)
}

fn open(args: &Args, shop: &mut Shop, local: &Local, interrupt: &Interrupt) -> Result<()> {
    let mut traces = Traces::choose();
    let ports = ports::hold(&traces, interrupt)?;
    let programs = match &args.programs {
        Some(folder) => in_folder(folder)?,
        None => built(interrupt)?,
    };
    let program = |name: &str| {
        programs.get(name).map(PathBuf::as_path).with_context(|| format!("there is no program `{name}`"))
    };
    let secrets = secrets::prepare(&local.folder("secrets")?)?;
    let certificates = Certificates::prepare(&local.folder("secrets")?)?;
    shop.start_servers(local, interrupt)?;
    drop(ports);
    shop.start_traces(&mut traces, local, interrupt)?;
    for service in &SERVICES {
        shop.start_service(service, program(service.name)?, &certificates, &secrets, &traces, local)?;
    }
    shop.wait_until_ready(interrupt)?;
    let accounts = load_demo(program("demo")?, interrupt)?;
    let bookstore = link(program("bookstore")?, &local.folder("bin")?)?;
    addresses::print(shop, &traces, &accounts, &bookstore, local);
    Ok(())
}

fn built(interrupt: &Interrupt) -> Result<Programs> {
    say::doing("Building", "the services, the command line and the demo");
    let mut packages: Vec<&str> = SERVICES.iter().map(|service| service.name).collect();
    packages.extend(["cli", "demo"]);
    build::programs(&packages, interrupt)
}

/// The programs in a folder, all of which must be there.
fn in_folder(folder: &Path) -> Result<Programs> {
    let folder = folder.canonicalize().with_context(|| format!("cannot read {}", folder.display()))?;
    let names = SERVICES.iter().map(|service| service.name).chain(["bookstore", "demo"]);
    let programs: Programs = names.map(|name| (name.to_owned(), folder.join(name))).collect();
    let mut missing: Vec<_> =
        programs.iter().filter(|(_, program)| !program.is_file()).map(|(name, _)| name.as_str()).collect();
    missing.sort_unstable();
    if !missing.is_empty() {
        bail!("{} has no {}; `cargo build --workspace` makes them", folder.display(), missing.join(", "));
    }
    Ok(programs)
}

/// Puts demo users and books into the shop; answers with the table of accounts.
fn load_demo(program: &Path, interrupt: &Interrupt) -> Result<String> {
    say::doing("Loading", "the demo catalogue and the demo users");
    let mut command = process::ending_with_us(program);
    let mut demo = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("cannot run demo")?;
    let status = process::wait(&mut demo, interrupt)?;
    if !status.success() {
        bail!(
            "the demo data could not be loaded; what it found of an earlier version goes with `cargo xtask reset`"
        );
    }
    let output = demo.stdout.take().context("demo has no output")?;
    Ok(std::io::read_to_string(output)?)
}

/// A path to a program that stays the same wherever cargo builds.
fn link(program: &Path, folder: &Path) -> Result<PathBuf> {
    let link = folder.join(program.file_name().context("a program has a name")?);
    if link.is_symlink() {
        std::fs::remove_file(&link)?;
    }
    symlink(program, &link).with_context(|| format!("cannot make {}", link.display()))?;
    Ok(link)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_taken_from_a_folder_and_those_that_are_missing_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let has = |name: &str| std::fs::write(folder.path().join(name), "").unwrap();
        for name in ["identity", "inventory", "payment", "notification", "gateway", "bookstore"] {
            has(name);
        }
        let missing = in_folder(folder.path()).unwrap_err().to_string();
        assert!(missing.contains(" has no demo, order;"), "{missing}");
        has("demo");
        has("order");
        assert!(in_folder(folder.path()).unwrap()["order"].is_file());
    }
}
