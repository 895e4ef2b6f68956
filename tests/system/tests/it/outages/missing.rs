use std::time::Duration;

use anyhow::Result;
use system_tests::{Options, Service, Shop};

use super::{
    is_long, length,
    scene::{FAST, Outage, Scene},
    traffic::Ask,
};

const SHORT: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_needs_no_missing_part_goes_on_and_the_rest_is_refused_until_it_is_back() -> Result<()> {
    let options = Options { gates: true, links: true, ..Default::default() };
    let scene = Scene::open(Shop::start_with(options).await?).await?;

    database(&scene, Service::Order).await?;
    if is_long() {
        for service in [Service::Identity, Service::Inventory, Service::Payment, Service::Notification] {
            database(&scene, service).await?;
        }
    }
    broker(&scene).await?;
    payment(&scene).await?;

    scene.close().await
}

async fn database(scene: &Scene, service: Service) -> Result<()> {
    let hits: Vec<Ask> = Ask::ALL.into_iter().filter(|ask| ask.needs(service)).collect();
    let outage = Outage {
        name: &format!("the database of {} is down", service.name()),
        lasts: length(SHORT, Duration::from_secs(20)),
        hits: &hits,
        refuses_within: FAST,
        says: &[(service, "database")],
    };
    let gate = scene.shop.gate(service)?;
    let close = async |_: &Shop| {
        gate.close();
        Ok(())
    };
    let open = async |_: &Shop| {
        gate.open();
        Ok(())
    };
    scene.survives(&outage, close, open).await
}

async fn broker(scene: &Scene) -> Result<()> {
    let outage = Outage {
        name: "the broker is down",
        lasts: length(SHORT, Duration::from_mins(1)),
        // Only databases are needed, to order too.
        hits: &[],
        refuses_within: FAST,
        says: &Service::WITH_DATABASE.map(|service| (service, "broker")),
    };
    let kill = async |shop: &Shop| shop.broker.kill().await;
    scene.survives(&outage, kill, async |shop| shop.broker.start_again().await).await
}

async fn payment(scene: &Scene) -> Result<()> {
    let outage = Outage {
        name: "payment is down",
        lasts: length(SHORT, Duration::from_mins(1)),
        hits: &[Ask::Balance],
        refuses_within: FAST,
        says: &[(Service::Gateway, "payment")],
    };
    let kill = async |shop: &Shop| shop.kill(Service::Payment).await;
    scene.survives(&outage, kill, async |shop| shop.start_again(Service::Payment).await).await
}
