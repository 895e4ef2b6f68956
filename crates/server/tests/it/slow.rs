//! Callers that send too much, or too slowly.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use bytes::Bytes;
use futures::{StreamExt as _, future::join_all, stream};
use testkit::certificates;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, timeout},
};
use tonic::{Code, body::Body};

use crate::{
    raw::{self, GET_ORDER},
    shop::{self, SOON, order},
};

fn body(chunks: impl futures::Stream<Item = Bytes> + Send + 'static) -> Body {
    Body::new(axum::body::Body::from_stream(chunks.map(Ok::<_, std::io::Error>)))
}

#[tokio::test]
async fn messages_that_never_end_are_given_up_and_harm_no_neighbour() -> Result<()> {
    let shop = shop::start_with(|config| config.base.max_concurrent_calls = 101).await?;
    let gateway = certificates()?.identity("gateway")?;
    let (name, token) = shop.bearer();
    let headers = [(name, token.as_str())];
    let begun = Instant::now();

    let stalled = join_all((0..100).map(|_| async {
        let stream = raw::connect(shop.grpc, &gateway).await?;
        let begun_message = Bytes::from_static(&[0, 0, 0, 1, 0, b'n', b'o', b't', b' ', b'a']);
        let never_ends = stream::iter([begun_message]).chain(stream::pending());
        raw::ended(stream, GET_ORDER, &headers, body(never_ends)).await
    }));
    let neighbour = async {
        let mut orders = shop.orders()?;
        for _ in 0..50 {
            orders.get_order(order("any")).await?;
        }
        anyhow::Ok(())
    };
    let (statuses, neighbour) = tokio::join!(timeout(SOON, stalled), neighbour);

    neighbour?;
    for status in statuses? {
        assert_eq!(status?.code(), Code::DeadlineExceeded);
    }
    assert!(begun.elapsed() < SOON, "took {:?}", begun.elapsed());
    shop.stopped().await
}

#[tokio::test]
async fn of_a_message_that_is_too_large_little_is_taken() -> Result<()> {
    let shop = shop::start().await?;
    let gateway = certificates()?.identity("gateway")?;
    let (name, token) = shop.bearer();
    let headers = [(name, token.as_str())];
    for megabytes in [5_u32, 64] {
        let bytes = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&bytes);
        let head = [&[0], (megabytes << 20).to_be_bytes().as_slice()].concat();
        let chunk = Bytes::from(vec![b'x'; 16 << 10]);
        let chunks = stream::iter([Bytes::from(head)])
            .chain(stream::repeat(chunk).take((megabytes as usize) << 6))
            .inspect(move |chunk| {
                counted.fetch_add(chunk.len(), Ordering::Relaxed);
            });

        let stream = raw::connect(shop.grpc, &gateway).await?;
        let status = timeout(SOON, raw::ended(stream, GET_ORDER, &headers, body(chunks))).await??;

        assert_eq!(status.code(), Code::ResourceExhausted, "{megabytes} MiB: {status}");
        let bytes = bytes.load(Ordering::Relaxed);
        assert!(bytes < 2 << 20, "{bytes} bytes of {megabytes} MiB were taken");
    }
    shop.stopped().await
}

#[tokio::test]
async fn slow_headers_are_not_waited_for_on_the_admin_port() -> Result<()> {
    let shop = shop::start().await?;
    let mut slow = TcpStream::connect(shop.admin).await?;
    slow.write_all(b"GET /livez HTTP/1.1\r\nhost: sh").await?;

    let mut answer = Vec::new();
    timeout(SOON + Duration::from_secs(5), slow.read_to_end(&mut answer)).await??;

    assert!(!String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 200"));
    shop.stopped().await
}
