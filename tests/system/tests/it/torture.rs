use std::{env, time::Duration};

use anyhow::{Context, Result};
use system_tests::torture::{Rounds, torture};
use uuid::Uuid;

/// How long rounds begin.
const ORDINARY: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_of_everything_survive_random_faults() -> Result<()> {
    let seed = match env::var("BOOKSTORE_TORTURE_SEED") {
        Ok(seed) => seed.parse().with_context(|| format!("BOOKSTORE_TORTURE_SEED is {seed:?}"))?,
        Err(_) => u64::from(Uuid::new_v4().as_fields().0),
    };
    println!("seed {seed}");
    let summary = torture(seed, Rounds::For(ORDINARY), |round| println!("{round}")).await?;
    println!("{summary}");
    assert!(summary.orders() > 0, "nobody ordered anything");
    Ok(())
}
