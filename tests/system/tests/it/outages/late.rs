use std::time::Duration;

use anyhow::Result;
use system_tests::{Options, Service, Shop};

use super::{
    length,
    scene::{Outage, Scene},
    traffic::{Ask, PATIENCE},
};

/// Longer than order waits for anybody; pings are answered in time for a connection to live.
const DELAY: Duration = Duration::from_millis(2_500);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_after_the_deadline_are_none_and_what_they_did_is_found_again() -> Result<()> {
    let options = Options { links: true, ..Default::default() };
    let scene = Scene::open(Shop::start_with(options).await?).await?;
    let outage = Outage {
        name: "inventory answers too late",
        lasts: length(Duration::from_secs(5), Duration::from_mins(1)),
        hits: &[Ask::Place, Ask::Book],
        refuses_within: PATIENCE,
        says: &[],
    };
    let link = scene.shop.link(Service::Inventory)?;
    let delay = async |_: &Shop| {
        link.delay(DELAY);
        Ok(())
    };
    let open = async |_: &Shop| {
        link.open();
        Ok(())
    };
    scene.survives(&outage, delay, open).await?;
    scene.close().await
}
