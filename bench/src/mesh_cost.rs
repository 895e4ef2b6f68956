//! The same unary call through a bare tonic channel and through the mesh, in turns.

mod load;
mod report;
mod subject;

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Result, ensure};
use rand::{SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};
use serde::Serialize;
use tls::Identity;

use self::{
    load::Sample,
    subject::{Reach, Subject},
};
use crate::{
    certificates, cores, load_average,
    replica::{CALLEE, Replica},
    workers,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Calls under way at a time, each caller waiting for its answer before it calls again
    #[arg(long, value_delimiter = ',', default_value = "1,8,64")]
    callers: Vec<usize>,
    /// How long each subject is called in each round
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// In each round every subject has its turn, in another order
    #[arg(long, default_value_t = 5)]
    rounds: u64,
    /// Neither spans nor metrics, which services always have: what the mesh costs without them
    #[arg(long)]
    without_telemetry: bool,
    /// Only subjects whose name contains this
    #[arg(long, default_value = "")]
    only: String,
    /// Where to write every sample
    #[arg(long)]
    json: Option<PathBuf>,
}

/// What the figures depend on.
#[derive(Serialize)]
struct Facts {
    cores: usize,
    /// Worker threads of the caller, and as many of the callee.
    workers: usize,
    telemetry: bool,
    seconds: f64,
    rounds: u64,
    load_before: String,
    load_after: String,
}

pub(crate) async fn run(args: Args) -> Result<()> {
    ensure!(args.callers.iter().all(|callers| *callers > 0), "--callers: somebody has to call");
    let length = Duration::try_from_secs_f64(args.seconds)?;
    if !args.without_telemetry {
        telemetry::init(telemetry::Config {
            service: "bench",
            filter: "warn".to_owned(),
            otlp_endpoint: None,
            sampling: telemetry::Sampling::default(),
            json: false,
        })?;
    }
    let load_before = load_average();
    let folder = tempfile::tempdir()?;
    let [ours, theirs] = certificates::write(folder.path(), ["order", CALLEE])?;
    let mut replica = Replica::start(&theirs).await?;
    let reach = Reach { identity: Identity::load(ours)?, addresses: replica.addresses };

    let mut samples = Vec::new();
    for round in 0..args.rounds {
        let mut turns: Vec<_> = args
            .callers
            .iter()
            .flat_map(|callers| Subject::ALL.map(|subject| (*callers, subject)))
            .filter(|(_, subject)| subject.name().contains(&args.only))
            .collect();
        // Pairs of one number of callers stay near each other in time.
        turns.shuffle(&mut StdRng::seed_from_u64(round));
        turns.sort_by_key(|(callers, _)| *callers);
        for (callers, subject) in turns {
            eprintln!("round {} of {}: {callers} callers, {}", round + 1, args.rounds, subject.name());
            samples.push(subject.measure(&reach, &mut replica, round, callers, length).await?);
        }
    }

    let facts = Facts {
        cores: cores(),
        workers: workers(),
        telemetry: !args.without_telemetry,
        seconds: args.seconds,
        rounds: args.rounds,
        load_before,
        load_after: load_average(),
    };
    print!("{}", report::text(&facts, &samples));
    if let Some(path) = args.json {
        fs::write(path, serde_json::to_vec_pretty(&Record { facts, samples })?)?;
    }
    Ok(())
}

#[derive(Serialize)]
struct Record {
    facts: Facts,
    samples: Vec<Sample>,
}
