use std::time::Duration;

use anyhow::Result;
use system_tests::{Options, Service, Shop};
use testkit::Gate;

use super::{
    is_long,
    scene::{Outage, Scene},
    traffic::{Ask, PATIENCE},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_lead_nowhere_are_found_out_and_made_anew() -> Result<()> {
    let options = Options { gates: true, links: true, ..Default::default() };
    let scene = Scene::open(Shop::start_with(options).await?).await?;
    let services: &[Service] = if is_long() { &Service::WITH_DATABASE } else { &[Service::Order] };
    for service in services {
        let hits: Vec<Ask> = Ask::ALL.into_iter().filter(|ask| ask.needs(*service)).collect();
        let name = format!("connections to the database of {} lead nowhere", service.name());
        forgotten(&scene, &name, &hits, scene.shop.gate(*service)?).await?;
        let name = format!("connections to {} lead nowhere", service.name());
        forgotten(&scene, &name, &hits, scene.shop.link(*service)?).await?;
    }
    forgotten(&scene, "connections to the broker lead nowhere", &[], scene.shop.broker_link()?).await?;
    scene.close().await
}

async fn forgotten(scene: &Scene, name: &str, hits: &[Ask], gate: &Gate) -> Result<()> {
    let outage = Outage { name, lasts: Duration::ZERO, hits, refuses_within: PATIENCE, says: &[] };
    let forget = async |_: &Shop| {
        gate.forget();
        Ok(())
    };
    scene.survives(&outage, forget, async |_| Ok(())).await
}
