use std::time::Duration;

use anyhow::Result;
use system_tests::{Options, Service, Shop};
use testkit::Disk;

use super::{
    length, report,
    scene::{FAST, Outage, Scene},
    traffic::Ask,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_what_has_to_be_written_and_nothing_else() -> Result<()> {
    let Some(disk) = Disk::with_database().await? else {
        report("left out: nothing can be mounted here");
        return Ok(());
    };
    let databases = vec![(Service::Order, disk.database().clone())];
    let scene = Scene::open(Shop::start_with(Options { databases, ..Default::default() }).await?).await?;
    let outage = Outage {
        name: "the disk of order's database is full",
        lasts: length(Duration::from_secs(5), Duration::from_secs(20)),
        hits: &[Ask::Place],
        refuses_within: FAST,
        // It answers, and says why it can't write in each of its answers.
        says: &[],
    };
    let fill = async |_: &Shop| disk.fill();
    scene.survives(&outage, fill, async |_: &Shop| disk.free()).await?;
    scene.close().await
}
