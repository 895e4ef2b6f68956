use std::time::Duration;

use anyhow::Result;
use system_tests::{Options, Service, Shop};

use super::{
    is_long,
    scene::{FAST, HICCUP, Outage, Scene},
    traffic::{Ask, PATIENCE},
};

const HANGING: Duration = Duration::from_secs(5);
const LONG: Duration = Duration::from_secs(45);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_hangs_holds_up_only_what_needs_it_and_is_used_again_when_it_wakes() -> Result<()> {
    let scene = Scene::open(Shop::start_with(Options::default()).await?).await?;
    if is_long() {
        for lasts in [HICCUP, HANGING, LONG] {
            for service in Service::ALL {
                process(&scene, service, lasts).await?;
            }
            broker(&scene, lasts).await?;
        }
    } else {
        process(&scene, Service::Order, HICCUP).await?;
        process(&scene, Service::Inventory, HANGING).await?;
        process(&scene, Service::Gateway, HICCUP).await?;
        broker(&scene, HANGING).await?;
    }
    scene.close().await
}

async fn process(scene: &Scene, service: Service, lasts: Duration) -> Result<()> {
    let is_needed = |ask: &Ask| service == Service::Gateway || ask.needs(service);
    let hits: Vec<Ask> = Ask::ALL.into_iter().filter(is_needed).collect();
    // Who is called by nobody is missed by nobody, and those who wait for the door ask nothing of what it knows.
    let is_missed = lasts > HICCUP && !matches!(service, Service::Gateway | Service::Notification);
    let says = [(Service::Gateway, service.name())];
    let outage = Outage {
        name: &format!("{} hangs", service.name()),
        lasts,
        hits: &hits,
        refuses_within: PATIENCE,
        says: if is_missed { &says } else { &[] },
    };
    scene
        .survives(&outage, async |shop| shop.pause(service).await, async |shop| shop.resume(service).await)
        .await
}

async fn broker(scene: &Scene, lasts: Duration) -> Result<()> {
    let outage = Outage { name: "the broker hangs", lasts, hits: &[], refuses_within: FAST, says: &[] };
    scene
        .survives(&outage, async |shop| shop.broker.pause().await, async |shop| shop.broker.resume().await)
        .await
}
