use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::Request;
use http_body::Frame;
use hyper::body::Incoming;
use proto::inventory::v1::{ListBooksRequest, ListBooksResponse};
use tokio::{sync::Notify, time::timeout};
use tonic::{Code, Status, body::Body};

use crate::{
    harness::gateway,
    raw::{self, Http2},
    stub::{self, Stub},
};

const LIST: &str = "/bookstore.inventory.v1.InventoryService/ListBooks";
const WATCH: &str = "/bookstore.order.v1.OrderService/WatchOrder";
const SOON: Duration = Duration::from_secs(10);

/// A message of which only the beginning is ever sent.
fn begun(length: u32) -> Bytes {
    let mut bytes = vec![0];
    bytes.extend(length.to_be_bytes());
    bytes.extend([7; 1000]);
    bytes.into()
}

async fn call(client: &mut Http2, path: &str, chunk: Bytes) -> Result<Status> {
    let (frames, body) = stub::stream();
    frames.try_send(Ok(Frame::data(chunk)))?;
    let response = client.call(path, &[], body.into_body()).await?;
    let (_, ended) = timeout(SOON, raw::whole(response)).await??;
    Status::from_header_map(&ended).context("no status")
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused_before_it_has_come() -> Result<()> {
    let stub = Stub::start(async |request: Request<Incoming>| {
        stub::read(request.into_body()).await;
        stub::answer(&ListBooksResponse::default())
    })
    .await?;
    let door = gateway(&stub.target(), |config| config.max_message = 100_000).await?;
    let mut client = Http2::connect(door.address()).await?;

    for path in [LIST, WATCH] {
        let refused = call(&mut client, path, begun(100_001)).await?;
        assert_eq!(refused.code(), Code::ResourceExhausted, "{path}");
        assert!(
            refused.message().contains("100001") && refused.message().contains("100000"),
            "{}",
            refused.message()
        );
    }
    let request = Body::new(stub::stream().1.into_body());
    let response = client.call(LIST, &[], request).await?;
    assert_eq!(raw::code(&raw::whole(response).await?.1), Code::Ok);
    Ok(())
}

#[tokio::test]
async fn an_answer_that_is_too_large_ends_the_call_after_the_messages_before_it() -> Result<()> {
    let stub = Stub::start(async |_| {
        let (frames, response) = stub::stream();
        let chunk = [stub::framed_bytes(&[1; 10]), begun(100_001)].concat();
        frames.try_send(Ok(Frame::data(chunk.into()))).unwrap();
        tokio::spawn(async move { frames.closed().await });
        response
    })
    .await?;
    let door = gateway(&stub.target(), |config| config.max_message = 100_000).await?;
    let mut client = Http2::connect(door.address()).await?;

    let response = client.call(WATCH, &[], stub::once(&ListBooksRequest::default())).await?;
    let (messages, trailers) = timeout(SOON, raw::whole(response)).await??;

    assert_eq!(messages, stub::framed_bytes(&[1; 10]));
    assert_eq!(raw::code(&trailers), Code::ResourceExhausted);
    Ok(())
}

#[tokio::test]
async fn a_client_that_does_not_read_stops_the_service_instead_of_filling_memory() -> Result<()> {
    const MESSAGE: usize = 64 << 10;
    let (made, stuck) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let (makes, sticks) = (Arc::clone(&made), Arc::clone(&stuck));
    let stub = Stub::start(move |_| {
        let (makes, sticks) = (Arc::clone(&makes), Arc::clone(&sticks));
        async move {
            let (frames, response) = stub::stream();
            tokio::spawn(async move {
                let message = stub::framed_bytes(&vec![0; MESSAGE]);
                loop {
                    let Ok(room) = timeout(Duration::from_secs(1), frames.reserve()).await else { break };
                    let Ok(room) = room else { return };
                    room.send(Ok(Frame::data(message.clone())));
                    makes.fetch_add(MESSAGE, Ordering::Relaxed);
                }
                sticks.notify_one();
                frames.closed().await;
            });
            response
        }
    })
    .await?;
    let door = gateway(&stub.target(), |_| {}).await?;
    let mut client = Http2::connect(door.address()).await?;

    let _unread = client.call(WATCH, &[], stub::once(&ListBooksRequest::default())).await?;

    timeout(Duration::from_mins(1), stuck.notified()).await.context("the service is never stopped")?;
    let made = made.load(Ordering::Relaxed);
    assert!(made < 8 << 20, "{made} bytes are somewhere");
    Ok(())
}
