//! `cargo xtask cluster-test`: the chart on a real cluster, installed, used, broken, changed and taken away.

mod folder;
mod kind;
mod place;

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{
    build::cargo,
    images::{self, IMAGES, Image},
    local::Local,
    process::{self, Interrupt},
    say,
    test::{Counts, Outcome, runner},
    tools,
};

use self::{
    folder::Folder,
    place::{Loader, Place},
};

/// The package of the tests, and its program that takes away what they leave.
const PACKAGE: &str = "cluster-tests";
const SWEEP: &str = "sweep";
/// Of images that are loaded: whatever the cluster has under the version's tag is let be.
const TAG: &str = "cluster-test";

/// Where to test, and what.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The kubeconfig's context to use, and no other; without it a kind cluster of its own where Docker answers, else the
    /// cluster of the folder that `BOOKSTORE_TEST_CLUSTER` names
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// Where the context's nodes pull our images from; without it they are made here and loaded
    #[arg(long, value_name = "HOST", requires = "context")]
    registry: Option<String>,
    /// The tag of the images that are pulled
    #[arg(long, value_name = "TAG", requires = "registry", default_value = env!("CARGO_PKG_VERSION"))]
    tag: String,
    /// Only tests whose names contain one of these
    #[arg(value_name = "TEST")]
    tests: Vec<String>,
}

pub(crate) fn run(args: &Args, interrupt: &Interrupt) -> Result<ExitCode> {
    let mut counts = Counts::default();
    let outcome = match &args.context {
        Some(context) => on(&Place::given(context)?, args, &mut counts, interrupt)?,
        None => anywhere(args, &mut counts, interrupt)?,
    };
    println!("\n{outcome}\n{counts}");
    Ok(if matches!(outcome, Outcome::Failed(_)) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// All tests, on the cluster that can be had here.
pub(crate) fn step(counts: &mut Counts, interrupt: &Interrupt) -> Result<Outcome> {
    let everything = Args { context: None, registry: None, tag: String::new(), tests: Vec::new() };
    anywhere(&everything, counts, interrupt)
}

/// Builds what a cluster takes that is kept between runs, where this machine can have one: minutes the first time.
pub(crate) fn fill_caches(interrupt: &Interrupt) -> Result<()> {
    tools::install(&[tools::HELM], interrupt)?;
    match Folder::named() {
        Some(folder) if !kind::is_possible() && process::is_root() => folder.fill(interrupt).map(drop),
        _ => Ok(()),
    }
}

fn anywhere(args: &Args, counts: &mut Counts, interrupt: &Interrupt) -> Result<Outcome> {
    let place = if kind::is_possible() {
        kind::up(interrupt)?
    } else if let Some(folder) = Folder::named() {
        if !process::is_root() {
            return Ok(Outcome::Skipped(
                "Docker does not answer, and the other cluster takes root".to_owned(),
            ));
        }
        folder.up(interrupt)?
    } else {
        return Ok(Outcome::Skipped(
            "there is no cluster: Docker does not answer, and BOOKSTORE_TEST_CLUSTER names no folder"
                .to_owned(),
        ));
    };
    on(&place, args, counts, interrupt)
}

fn on(place: &Place, args: &Args, counts: &mut Counts, interrupt: &Interrupt) -> Result<Outcome> {
    tools::install(&[tools::HELM], interrupt)?;
    let (registry, tag) = if let Some(registry) = &args.registry {
        (registry.as_str(), args.tag.as_str())
    } else {
        place.load(&archives(place, interrupt)?, interrupt)?;
        ("", TAG)
    };
    let run = std::process::id().to_string();
    let environment = [
        ("BOOKSTORE_TEST_CONTEXT", place.context.clone().into()),
        ("BOOKSTORE_TEST_RUN", run.into()),
        ("BOOKSTORE_TEST_REGISTRY", registry.into()),
        ("BOOKSTORE_TEST_TAG", tag.into()),
        ("BOOKSTORE_HELM", tools::HELM.program()?.into_os_string()),
    ];
    let tests = |only: &[String]| {
        let mut tests = cargo();
        tests.args(["test", "--package", PACKAGE, "--no-fail-fast", "--"]);
        // One after the other: they measure, and a node has few cores.
        tests.args(["--include-ignored", "--test-threads=1", "--show-output"]);
        if only.is_empty() {
            tests.args(&args.tests);
        } else {
            tests.arg("--exact").args(only);
        }
        tests.envs(environment.clone()).envs(place.kubeconfig());
        tests
    };
    let sweep = |tell: bool| {
        say::doing("Sweeping", "what the tests have left");
        let mut sweep = cargo();
        sweep.args(["run", "--quiet", "--package", PACKAGE, "--bin", SWEEP]);
        sweep.envs(environment.clone()).envs(place.kubeconfig());
        if tell {
            sweep.args(["--", "--tell"]);
        }
        // Whoever interrupts the tests still wants the cluster back.
        let swept = process::run(&mut sweep, &Interrupt::default())?;
        ensure!(swept.success(), "what the tests made is still in the cluster");
        Ok(())
    };
    let outcome = runner::run(tests, || sweep(true), counts, interrupt);
    sweep(matches!(outcome, Ok(Outcome::Failed(_))))?;
    outcome
}

/// Our images, and the others where the cluster can't pull them.
fn archives(place: &Place, interrupt: &Interrupt) -> Result<Vec<PathBuf>> {
    if matches!(place.loader, Loader::Nobody) {
        bail!(
            "there is no way to load images into the cluster of {}: push them, and say where with --registry",
            place.context
        );
    }
    let folder = Local::open()?.folder("images")?.join(TAG);
    let images: Vec<&Image> = IMAGES.iter().collect();
    let made = images::make(&images, TAG, &folder, interrupt).context("the images")?;
    let mut archives: Vec<PathBuf> = made.into_iter().map(|made| made.path).collect();
    if let Loader::Folder(folder) = &place.loader {
        archives.extend(folder.others(interrupt)?);
    }
    Ok(archives)
}
