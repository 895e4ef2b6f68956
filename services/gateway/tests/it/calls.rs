use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use http::{Response, header::HeaderValue};
use http_body::Frame;
use proto::{
    inventory::v1::{Book, ListBooksRequest, ListBooksResponse},
    order::v1::{GetOrderStatusRequest, OrderState, OrderStatus, WatchOrderRequest},
};
use tokio::{
    net::TcpStream,
    sync::{Notify, mpsc},
    time::{Instant, timeout},
};
use tonic::{Code, Status, body::Body};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::{
    harness::gateway,
    raw::{self, Http2},
    stub::{self, Stub},
};

/// Longer than anything here takes, shorter than anybody waits.
const SOON: Duration = Duration::from_secs(10);

const WATCH: &str = "/bookstore.order.v1.OrderService/WatchOrder";
const STATUS: &str = "/bookstore.order.v1.OrderService/GetOrderStatus";

fn status(state: OrderState) -> OrderStatus {
    OrderStatus { state: state.into(), ..Default::default() }
}

/// A stub whose answers are made by the test: each is handed over when its call came.
async fn answers() -> Result<(Stub, mpsc::Receiver<stub::Frames>)> {
    let (called, calls) = mpsc::channel(8);
    let stub = Stub::start(move |_| {
        let called = called.clone();
        async move {
            let (frames, response) = stub::stream();
            let _ = called.send(frames).await;
            response
        }
    })
    .await?;
    Ok((stub, calls))
}

#[tokio::test]
async fn a_call_is_answered_by_the_service_that_its_package_names() -> Result<()> {
    let book = Book { title: "Emma".to_owned(), ..Default::default() };
    let page = ListBooksResponse { books: vec![book], next_page_token: String::new() };
    let answer = page.clone();
    let inventory = Stub::start(move |_| {
        let answer = answer.clone();
        async move { stub::answer(&answer) }
    })
    .await?;
    let order = Stub::start(async |_| Status::internal("not me").into_http()).await?;
    let door =
        gateway(&order.target(), |config| config.inventory_target = inventory.target().parse().unwrap())
            .await?;

    let answered = door.inventory()?.list_books(ListBooksRequest::default()).await?;

    assert_eq!(*answered.get_ref(), page);
    assert_eq!(inventory.seen()[0].0, "/bookstore.inventory.v1.InventoryService/ListBooks");
    assert_eq!(order.seen().len(), 0);
    Ok(())
}

#[tokio::test]
async fn errors_come_with_their_details() -> Result<()> {
    let stub = Stub::start(async |_| {
        let details = ErrorDetails::with_error_info("ORDER_NOT_FOUND", "bookstore", []);
        Status::with_error_details(Code::NotFound, "no such order", details).into_http()
    })
    .await?;
    let door = gateway(&stub.target(), |_| {}).await?;

    let refused = door.orders()?.get_order_status(GetOrderStatusRequest::default()).await.unwrap_err();

    assert_eq!((refused.code(), refused.message()), (Code::NotFound, "no such order"));
    assert_eq!(refused.get_details_error_info().context("no details")?.reason, "ORDER_NOT_FOUND");
    Ok(())
}

#[tokio::test]
async fn a_stream_comes_message_by_message_and_with_its_trailers() -> Result<()> {
    let (stub, mut calls) = answers().await?;
    let door = gateway(&stub.target(), |_| {}).await?;
    let watching = tokio::spawn({
        let mut orders = door.orders()?;
        async move { orders.watch_order(WatchOrderRequest::default()).await }
    });
    let frames = timeout(SOON, calls.recv()).await?.context("not called")?;
    let mut stream = watching.await??.into_inner();

    for state in [OrderState::Pending, OrderState::Confirmed] {
        frames.send(Ok(Frame::data(stub::framed(&status(state))))).await?;
        assert_eq!(timeout(SOON, stream.message()).await??, Some(status(state)));
    }
    let mut trailers = stub::ok().into_trailers().unwrap();
    trailers.insert("mine", HeaderValue::from_static("as it was"));
    frames.send(Ok(Frame::trailers(trailers))).await?;

    assert_eq!(stream.message().await?, None);
    assert_eq!(stream.trailers().await?.context("no trailers")?.get("mine").unwrap(), "as it was");
    Ok(())
}

#[tokio::test]
async fn who_goes_away_cancels_the_call_in_the_service() -> Result<()> {
    let (stub, mut calls) = answers().await?;
    let door = gateway(&stub.target(), |_| {}).await?;
    let mut client = Http2::connect(door.address()).await?;
    let request = stub::once(&WatchOrderRequest::default());
    let mut response = client.call(WATCH, &[], request).await?;
    let frames = timeout(SOON, calls.recv()).await?.context("not called")?;
    frames.send(Ok(Frame::data(stub::framed(&status(OrderState::Pending))))).await?;
    raw::frame(response.body_mut()).await.context("no message")??;

    drop(response);

    timeout(SOON, frames.closed()).await.context("the service still answers")?;
    Ok(())
}

#[tokio::test]
async fn a_unary_call_is_cancelled_as_well() -> Result<()> {
    let (came, gone) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (comes, goes) = (Arc::clone(&came), Arc::clone(&gone));
    let stub = Stub::start(move |_| {
        let (comes, goes) = (Arc::clone(&comes), Arc::clone(&goes));
        async move {
            let _gone = OnDrop(goes);
            comes.notify_one();
            std::future::pending::<Response<Body>>().await
        }
    })
    .await?;
    let door = gateway(&stub.target(), |_| {}).await?;
    let mut orders = door.orders()?;
    let call = tokio::spawn(async move { orders.get_order_status(GetOrderStatusRequest::default()).await });
    timeout(SOON, came.notified()).await?;

    call.abort();

    timeout(SOON, gone.notified()).await.context("the service still works")?;
    Ok(())
}

#[tokio::test]
async fn a_service_that_dies_in_the_middle_of_a_stream_is_unavailable() -> Result<()> {
    let (stub, mut calls) = answers().await?;
    let door = gateway(&stub.target(), |_| {}).await?;
    let mut client = Http2::connect(door.address()).await?;
    let mut response = client.call(WATCH, &[], stub::once(&WatchOrderRequest::default())).await?;
    let frames = timeout(SOON, calls.recv()).await?.context("not called")?;
    frames.send(Ok(Frame::data(stub::framed(&status(OrderState::Pending))))).await?;
    raw::frame(response.body_mut()).await.context("no message")??;

    drop(stub);

    // In trailers, so that a client knows the stream's end from a broken connection.
    let (_, trailers) = timeout(SOON, raw::whole(response)).await??;
    assert_eq!(raw::code(&trailers), Code::Unavailable);
    let status = Status::from_header_map(&trailers).context("no status")?;
    assert!(status.get_details_retry_info().is_some());
    Ok(())
}

#[tokio::test]
async fn an_answer_that_ends_without_a_status_is_unavailable() -> Result<()> {
    let (stub, mut calls) = answers().await?;
    let door = gateway(&stub.target(), |_| {}).await?;
    let mut client = Http2::connect(door.address()).await?;
    let response = client.call(WATCH, &[], stub::once(&WatchOrderRequest::default())).await?;

    drop(timeout(SOON, calls.recv()).await?.context("not called")?);

    let (_, trailers) = timeout(SOON, raw::whole(response)).await??;
    assert_eq!(raw::code(&trailers), Code::Unavailable);
    Ok(())
}

#[tokio::test]
async fn a_deadline_is_told_to_the_service_and_kept() -> Result<()> {
    let stub = Stub::start(async |_| std::future::pending().await).await?;
    let door = gateway(&stub.target(), |_| {}).await?;
    let mut client = Http2::connect(door.address()).await?;
    let began = Instant::now();

    let request = stub::once(&GetOrderStatusRequest::default());
    let response = client.call(STATUS, &[("grpc-timeout", "2000m")], request).await?;

    let (_, ended) = timeout(SOON, raw::whole(response)).await??;
    assert_eq!(raw::code(&ended), Code::DeadlineExceeded);
    assert!(began.elapsed() >= Duration::from_millis(1990), "took {:?}", began.elapsed());
    assert!(told(&stub)? <= Duration::from_secs(2));
    Ok(())
}

#[tokio::test]
async fn a_unary_call_lasts_an_hour_at_most_whatever_its_client_says() -> Result<()> {
    let stub = Stub::start(async |_| stub::answer(&OrderStatus::default())).await?;
    let door = gateway(&stub.target(), |_| {}).await?;
    let mut client = Http2::connect(door.address()).await?;

    let request = stub::once(&GetOrderStatusRequest::default());
    client.call(STATUS, &[("grpc-timeout", "20H")], request).await?;

    assert!(told(&stub)? <= Duration::from_hours(1), "{:?}", told(&stub)?);
    Ok(())
}

#[tokio::test]
async fn a_stream_is_ended_at_its_deadline() -> Result<()> {
    let (stub, mut calls) = answers().await?;
    let door = gateway(&stub.target(), |_| {}).await?;
    let mut client = Http2::connect(door.address()).await?;

    let request = stub::once(&WatchOrderRequest::default());
    let response = client.call(WATCH, &[("grpc-timeout", "2000m")], request).await?;
    let frames = timeout(SOON, calls.recv()).await?.context("not called")?;
    let (_, ended) = timeout(SOON, raw::whole(response)).await??;

    assert_eq!(raw::code(&ended), Code::DeadlineExceeded);
    timeout(SOON, frames.closed()).await.context("the service still answers")?;
    Ok(())
}

#[tokio::test]
async fn a_unary_call_without_a_deadline_gets_the_default_one() -> Result<()> {
    let stub = Stub::start(async |_| std::future::pending().await).await?;
    let door = gateway(&stub.target(), |config| config.default_deadline = Duration::from_secs(2)).await?;
    let mut client = Http2::connect(door.address()).await?;

    let response = client.call(STATUS, &[], stub::once(&GetOrderStatusRequest::default())).await?;

    let (_, ended) = timeout(SOON, raw::whole(response)).await??;
    assert_eq!(raw::code(&ended), Code::DeadlineExceeded);
    assert!(told(&stub)? <= Duration::from_secs(2));
    Ok(())
}

#[tokio::test]
async fn a_stream_without_a_deadline_has_none() -> Result<()> {
    let (stub, mut calls) = answers().await?;
    let door = gateway(&stub.target(), |config| config.default_deadline = Duration::from_millis(1)).await?;
    let mut client = Http2::connect(door.address()).await?;
    let mut response = client.call(WATCH, &[], stub::once(&WatchOrderRequest::default())).await?;
    let frames = timeout(SOON, calls.recv()).await?.context("not called")?;

    frames.send(Ok(Frame::data(stub::framed(&status(OrderState::Pending))))).await?;

    assert!(raw::frame(response.body_mut()).await.context("no message")??.is_data());
    assert!(!stub.last()?.contains_key("grpc-timeout"));
    Ok(())
}

#[tokio::test]
async fn a_deadline_that_nobody_can_read_is_refused() -> Result<()> {
    let stub = Stub::start(async |_| std::future::pending().await).await?;
    let door = gateway(&stub.target(), |_| {}).await?;
    let mut client = Http2::connect(door.address()).await?;

    let request = stub::once(&GetOrderStatusRequest::default());
    let response = client.call(STATUS, &[("grpc-timeout", "soon")], request).await?;

    assert_eq!(raw::code(&raw::whole(response).await?.1), Code::InvalidArgument);
    assert_eq!(stub.seen().len(), 0);
    Ok(())
}

#[tokio::test]
async fn a_service_that_is_not_there_is_unavailable_at_once() -> Result<()> {
    let stub = Stub::start(async |_| std::future::pending().await).await?;
    let nowhere = stub.target();
    drop(stub);
    let door = gateway(&nowhere, |_| {}).await?;

    let began = Instant::now();
    let refused = door.orders()?.get_order_status(GetOrderStatusRequest::default()).await.unwrap_err();

    assert_eq!(refused.code(), Code::Unavailable);
    assert!(began.elapsed() < Duration::from_secs(5), "took {:?}", began.elapsed());
    Ok(())
}

#[tokio::test]
async fn a_stop_ends_streams_with_unavailable() -> Result<()> {
    let (stub, mut calls) = answers().await?;
    let door = gateway(&stub.target(), |_| {}).await?;
    let mut client = Http2::connect(door.address()).await?;
    let response = client.call(WATCH, &[], stub::once(&WatchOrderRequest::default())).await?;
    let frames = timeout(SOON, calls.recv()).await?.context("not called")?;

    let stopped = tokio::spawn(door.stop());

    let (_, ended) = timeout(SOON, raw::whole(response)).await??;
    assert_eq!(raw::code(&ended), Code::Unavailable);
    timeout(SOON, frames.closed()).await.context("the service still answers")?;
    timeout(SOON, stopped).await???;
    Ok(())
}

#[tokio::test]
async fn a_stop_waits_for_a_large_answer_that_is_under_way() -> Result<()> {
    let message = stub::framed_bytes(&vec![7; 400 << 10]);
    let (stub, mut calls) = answers().await?;
    let door = gateway(&stub.target(), |_| {}).await?;
    let address = door.address();
    let mut client = Http2::connect(address).await?;
    let asked = tokio::spawn(async move {
        let response = client.call(STATUS, &[], stub::once(&GetOrderStatusRequest::default())).await?;
        anyhow::Ok((client, response))
    });
    let frames = timeout(SOON, calls.recv()).await?.context("not called")?;
    // More than is kept before it is passed on.
    frames.send(Ok(Frame::data(message.slice(..300 << 10)))).await?;
    let (_client, response) = timeout(SOON, asked).await???;

    let stopped = tokio::spawn(door.stop());
    testkit::eventually("no more connections", SOON, async || TcpStream::connect(address).await.err())
        .await?;
    frames.send(Ok(Frame::data(message.slice(300 << 10..)))).await?;
    frames.send(Ok(stub::ok())).await?;

    let (answer, ended) = timeout(SOON, raw::whole(response)).await??;
    assert_eq!(raw::code(&ended), Code::Ok);
    assert_eq!(answer, message);
    timeout(SOON, stopped).await???;
    Ok(())
}

/// How long the service was told that its caller waits.
fn told(stub: &Stub) -> Result<Duration> {
    let headers = stub.last()?;
    let timeout = headers.get("grpc-timeout").context("no deadline")?.to_str()?;
    let (count, unit) = timeout.split_at(timeout.len() - 1);
    let one = match unit {
        "S" => Duration::from_secs(1),
        "m" => Duration::from_millis(1),
        "u" => Duration::from_micros(1),
        "n" => Duration::from_nanos(1),
        other => anyhow::bail!("{other}"),
    };
    Ok(one * count.parse()?)
}

struct OnDrop(Arc<Notify>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}
