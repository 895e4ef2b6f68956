use std::time::Duration;

use anyhow::{Context as _, Result};
use proto::inventory::v1::{ListBooksRequest, ListBooksResponse};
use serde_json::Value;
use testkit::{Log, eventually};
use tonic::body::Body;
use tracing::subscriber::DefaultGuard;

use crate::{
    harness::gateway,
    raw::{self, Http2},
    stub::{self, Stub},
};

const LIST: &str = "/bookstore.inventory.v1.InventoryService/ListBooks";

struct Lines(Log);

impl Lines {
    /// What is logged on this thread, which is all of a test.
    fn collect() -> (Self, DefaultGuard) {
        let (log, collecting) = Log::collect_json("info");
        (Self(log), collecting)
    }

    fn text(&self) -> String {
        self.0.text()
    }

    fn access(&self) -> Vec<Value> {
        let lines: Vec<Value> =
            self.text().lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        lines
            .into_iter()
            .filter(|line| line["target"] == "access")
            .map(|line| line["fields"].clone())
            .collect()
    }

    async fn one(&self) -> Result<Value> {
        eventually("a line", Duration::from_secs(10), async || self.access().pop()).await
    }
}

#[tokio::test]
async fn a_call_is_one_line_without_personal_data() -> Result<()> {
    let (lines, _collecting) = Lines::collect();
    let stub = Stub::start(async |_| stub::answer(&ListBooksResponse::default())).await?;
    let door = gateway(&stub.target(), |_| {}).await?;
    let mut client = Http2::connect(door.address()).await?;
    let headers =
        [("x-request-id", "click-17"), ("authorization", "Bearer s3cret"), ("mine", "ada@example.org")];
    let request = ListBooksRequest { category: "ada-lovelace".to_owned(), ..Default::default() };

    let response = client.call(LIST, &headers, stub::once(&request)).await?;
    raw::whole(response).await?;

    let line = lines.one().await?;
    assert_eq!(lines.access().len(), 1);
    assert_eq!(line["method"], LIST.trim_start_matches('/'));
    assert_eq!((&line["status"], &line["caller"]), (&"OK".into(), &"unverified".into()));
    assert_eq!((&line["request_id"], &line["upstream"]), (&"click-17".into(), &"inventory".into()));
    assert_eq!((&line["received"], &line["sent"]), (&stub::framed(&request).len().into(), &5.into()));
    assert!(line["milliseconds"].as_f64().context("no time")? > 0.0);
    for personal in ["s3cret", "ada@example.org", "ada-lovelace", "127.0.0.1"] {
        assert!(!line.to_string().contains(personal), "{line}");
    }
    Ok(())
}

#[tokio::test]
async fn a_call_that_its_client_leaves_is_a_line_too() -> Result<()> {
    let (lines, _collecting) = Lines::collect();
    let stub = Stub::start(async |_| {
        let (frames, response) = stub::stream();
        tokio::spawn(async move { frames.closed().await });
        response
    })
    .await?;
    let door = gateway(&stub.target(), |config| config.log_addresses = true).await?;
    let mut client = Http2::connect(door.address()).await?;
    let path = "/bookstore.order.v1.OrderService/WatchOrder";

    drop(client.call(path, &[], Body::empty()).await?);

    let line = lines.one().await?;
    assert_eq!((&line["status"], &line["caller"]), (&"CANCELLED".into(), &"anonymous".into()));
    assert_eq!(line["address"], "127.0.0.1");
    Ok(())
}

#[tokio::test]
async fn what_clients_make_up_is_called_by_no_name() -> Result<()> {
    let (lines, _collecting) = Lines::collect();
    let door = gateway("ipv4:127.0.0.1:1", |_| {}).await?;
    let mut client = Http2::connect(door.address()).await?;

    client.call("/ada@example.org/Made", &[], Body::empty()).await?;

    let line = lines.one().await?;
    assert_eq!((&line["method"], &line["status"]), (&"_OTHER".into(), &"UNIMPLEMENTED".into()));
    Ok(())
}
