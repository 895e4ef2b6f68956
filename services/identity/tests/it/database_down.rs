use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use identity::{Config, Identity};
use proto::identity::v1::GetJwksRequest;
use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
use server::database::sql;
use testkit::{Broker, Gate, as_user, eventually};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::desk::{Desk, PASSWORD, address, registration, sign_in};

const SOON: Duration = Duration::from_secs(20);

fn assert_unavailable<T: std::fmt::Debug>(answer: Result<T, Status>) -> Result<()> {
    let status = answer.err().context("answered without a database")?;
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    let retry = status.get_details_retry_info().context("no RetryInfo")?;
    assert!(retry.retry_delay.is_some());
    Ok(())
}

#[tokio::test]
async fn without_its_database_identity_says_so_within_a_second_and_recovers_by_itself() -> Result<()> {
    let (desk, gate) = Desk::open_behind_a_gate().await?;
    let mut client = desk.client.clone();
    let ada = desk.reader("ada@example.org").await?;

    for takes_the_database_away in [Gate::close, Gate::stall] {
        takes_the_database_away(&gate);
        let mut took = Vec::new();
        for _ in 0..3 {
            let start = Instant::now();
            assert_unavailable(client.authenticate_user(sign_in("ada@example.org", PASSWORD)).await)?;
            took.push(start.elapsed());
        }
        // The quickest: a machine busy with other tests may be slow once.
        assert!(took.iter().min() < Some(&Duration::from_secs(1)), "took {took:?}");
        assert_unavailable(client.create_user(registration("r-1", "grace@example.org")).await)?;
        assert_unavailable(client.create_address(as_user(&ada.token, address("a-1"))?).await)?;
        client.get_jwks(GetJwksRequest {}).await.context("keys need no database")?;

        gate.open();
        eventually("answers again", SOON, async || {
            client.authenticate_user(sign_in("ada@example.org", PASSWORD)).await.ok()
        })
        .await?;
    }
    client.create_user(registration("r-1", "grace@example.org")).await?;
    client.create_address(as_user(&ada.token, address("a-1"))?).await?;
    assert_eq!((desk.count("users").await?, desk.count("addresses").await?), (2, 1));
    Ok(())
}

#[tokio::test]
async fn a_replica_whose_database_goes_away_while_it_starts_waits_for_it() -> Result<()> {
    let database = testkit::database::<Identity>().await?;
    let (gate, url) = Gate::before(database.url()).await?;
    let db = database.connect().await?;
    let keys = db.begin().await?;
    keys.execute_unprepared("LOCK TABLE signing_keys IN ACCESS EXCLUSIVE MODE").await?;

    let waits =
        "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let take_away = async {
        let reads = async || db.query_one_raw(sql(waits, [])).await.ok()?;
        eventually("it reads the keys", SOON, reads).await?;
        gate.close();
        keys.rollback().await?;
        gate.open();
        anyhow::Ok(())
    };
    let behind = |config: &mut Config| config.server.database_url = url.into();
    let broker = Broker::start().await?;
    let (desk, ()) = tokio::try_join!(Desk::open_on(database, broker, behind), take_away)?;
    desk.reader("ada@example.org").await?;
    Ok(())
}
