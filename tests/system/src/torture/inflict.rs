use std::time::Duration;

use anyhow::{Context, Result};
use testkit::Half;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::fault::{Act, Fault, Lost};
use crate::{Replica, Service, Shop};

/// Between two looks at a process that is to die.
const PAUSE: Duration = Duration::from_millis(50);
/// How late a slow database answers.
const LATE: Duration = Duration::from_millis(300);
/// Ends all sessions but one's own: of everybody, or of those who publish.
const SEVER: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid()";
const UNLOCK: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = 'relay'";

/// What became of a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Struck {
    Yes,
    /// At this crash point.
    At(String),
    /// Nothing came past the crash points.
    Missed,
}

/// Lets something go wrong at its time, and takes it back.
///
/// Processes are started and not waited for: what they need may itself be gone for a while.
pub(super) async fn inflict(shop: &Shop, began: Instant, fault: &Fault) -> Result<Struck> {
    let (from, to) = (began + fault.after, began + fault.after + fault.lasting);
    sleep_until(from).await;
    let broken = match &fault.act {
        Act::Crash { replica, points } => crash(shop, *replica, points, to).await,
        act => broken(shop, act, to).await.map(|()| Struck::Yes),
    };
    broken.with_context(|| fault.to_string())
}

async fn broken(shop: &Shop, act: &Act, until: Instant) -> Result<()> {
    match act {
        Act::Kill(replicas) => {
            for replica in replicas {
                shop.kill(*replica).await?;
            }
            sleep_until(until).await;
            for replica in replicas {
                shop.launch(*replica).await?;
            }
        }
        Act::Pause(replicas) => {
            for replica in replicas {
                shop.pause(*replica).await?;
            }
            sleep_until(until).await;
            for replica in replicas {
                shop.resume(*replica).await?;
            }
        }
        Act::Restart(replicas) => {
            for replica in replicas {
                shop.stop_one(*replica).await?;
                shop.start_again(*replica).await?;
            }
        }
        Act::KillBroker | Act::PauseBroker | Act::LoseTail(_) | Act::WipeBroker => {
            broken_broker(shop, act, until).await?;
        }
        Act::CloseDatabase(service) => {
            shop.gate(*service)?.close();
            sleep_until(until).await;
            shop.gate(*service)?.open();
        }
        Act::StallDatabase(service) => {
            shop.gate(*service)?.stall();
            sleep_until(until).await;
            shop.gate(*service)?.open();
        }
        Act::SlowDatabase(service) => {
            shop.gate(*service)?.delay(LATE);
            sleep_until(until).await;
            shop.gate(*service)?.open();
        }
        // For good: nothing takes it back but the services themselves.
        Act::ForgetDatabase(service) => shop.gate(*service)?.forget(),
        Act::SeverDatabase(service) => {
            shop.database(*service)?.execute(SEVER).await?;
            sleep_until(until).await;
            shop.database(*service)?.execute(SEVER).await?;
        }
        Act::SplitRelay(replica) => {
            shop.pause(*replica).await?;
            sleep(PAUSE).await;
            shop.database(replica.service)?.execute(UNLOCK).await?;
            sleep_until(until).await;
            shop.resume(*replica).await?;
        }
        Act::Crash { .. } => {}
    }
    Ok(())
}

async fn broken_broker(shop: &Shop, act: &Act, until: Instant) -> Result<()> {
    let broker = &shop.broker;
    match act {
        Act::PauseBroker => {
            broker.pause().await?;
            sleep_until(until).await;
            broker.resume().await
        }
        Act::LoseTail(lost) => {
            broker.stop().await?;
            let snapshot = broker.snapshot().await?;
            broker.start_again().await?;
            sleep_until(until).await;
            broker.kill().await?;
            match lost {
                Lost::Both => broker.restore(&snapshot).await?,
                Lost::Messages => broker.restore_half(&snapshot, Half::Messages).await?,
                Lost::Consumers => broker.restore_half(&snapshot, Half::Consumers).await?,
            }
            broker.start_again().await
        }
        Act::WipeBroker => {
            broker.kill().await?;
            sleep_until(until).await;
            broker.wipe().await?;
            broker.start_again().await
        }
        _ => {
            broker.kill().await?;
            sleep_until(until).await;
            broker.start_again().await
        }
    }
}

/// Starts a replica anew so that it dies at the first of the points that it meets, and again without them once it has, or
/// once it is time.
async fn crash(shop: &Shop, replica: Replica, points: &[String], until: Instant) -> Result<Struck> {
    shop.kill(replica).await?;
    shop.launch_armed(replica, points).await?;
    let falls = async {
        loop {
            if let Some(point) = shop.died_at(replica).await? {
                return anyhow::Ok(point);
            }
            sleep(PAUSE).await;
        }
    };
    let Ok(fell) = timeout_at(until, falls).await else {
        shop.kill(replica).await?;
        shop.launch(replica).await?;
        return Ok(Struck::Missed);
    };
    let point = fell?;
    shop.launch(replica).await?;
    Ok(Struck::At(point))
}

/// Nothing is broken any more, whatever a round has left behind.
pub(super) async fn heal(shop: &Shop) -> Result<()> {
    for service in Service::WITH_DATABASE {
        shop.gate(service)?.open();
    }
    shop.all_ready().await
}
