//! What no method of the contract does yet: both sides stream. Reflection does, so it is what is passed on. And messages
//! that don't come, without the wait.

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use futures::{
    StreamExt as _,
    future::{BoxFuture, FutureExt as _},
    stream,
};
use http::{HeaderMap, HeaderValue};
use http_body::Frame;
use tokio::{net::TcpListener, sync::mpsc, time::timeout};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{
    Code,
    server::NamedService,
    transport::{Endpoint, Server},
};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest,
};

use super::*;

const SOON: Duration = Duration::from_secs(10);
const PATH: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
const STREAMS: Shape = Shape { asks_once: false, answers_once: false };

/// Passes everything on to one service.
#[derive(Clone)]
struct Passing {
    service: Upstream,
    rules: Rules,
}

impl NamedService for Passing {
    const NAME: &'static str = "grpc.reflection.v1.ServerReflection";
}

impl tower::Service<Request<Body>> for Passing {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Self { service, rules } = self.clone();
        async move {
            let id = RequestId::of(&HeaderMap::new());
            let passed = pass(request, PATH, STREAMS, &service, &id, Arc::default(), &rules).await;
            Ok(passed.unwrap_or_else(Status::into_http))
        }
        .boxed()
    }
}

async fn serve(routes: tonic::transport::server::Router) -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(routes.serve_with_incoming(TcpListenerStream::new(listener)));
    Ok(address)
}

/// Reflection behind a door that passes messages of at most so many bytes.
async fn reflection(max_message: usize) -> Result<ServerReflectionClient<tonic::transport::Channel>> {
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(proto::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let upstream = serve(Server::builder().add_service(reflection)).await?;
    let target = format!("ipv4:{upstream}").parse()?;
    let service = mesh::Client::new("reflection", &target, mesh::Policy::default(), None);
    let service = Upstream::new(service, 8);
    let (default_deadline, streams_end) = (Duration::from_secs(20), CancellationToken::new());
    let rules = Rules { max_message, default_deadline, streams_end };
    let door = serve(Server::builder().add_service(Passing { service, rules })).await?;
    Ok(ServerReflectionClient::new(Endpoint::from_shared(format!("http://{door}"))?.connect_lazy()))
}

fn ask(symbol: &str) -> ServerReflectionRequest {
    let asked = MessageRequest::FileContainingSymbol(symbol.to_owned());
    ServerReflectionRequest { host: String::new(), message_request: Some(asked) }
}

#[tokio::test]
async fn both_sides_may_stream_in_turns() -> Result<()> {
    let (questions, asked) = mpsc::channel(1);
    let mut client = reflection(1 << 20).await?;
    // The service answers only what it has been asked, so that it can't answer before there is a question.
    questions.send(ask("bookstore.order.v1.OrderService")).await?;
    let mut answers = client.server_reflection_info(ReceiverStream::new(asked)).await?.into_inner();

    for symbol in ["bookstore.order.v1.OrderService", "bookstore.order.v1.Order", "bookstore.types.v1.Money"]
    {
        let answer = timeout(SOON, answers.message()).await??.context("ended")?;
        assert_eq!(answer.original_request, Some(ask(symbol)));
        match symbol {
            "bookstore.order.v1.OrderService" => questions.send(ask("bookstore.order.v1.Order")).await?,
            "bookstore.order.v1.Order" => questions.send(ask("bookstore.types.v1.Money")).await?,
            _ => {}
        }
    }
    drop(questions);
    assert_eq!(timeout(SOON, answers.message()).await??, None);
    Ok(())
}

#[tokio::test]
async fn a_stream_that_becomes_too_large_is_ended_while_it_is_answered() -> Result<()> {
    let (questions, asked) = mpsc::channel(1);
    let mut client = reflection(64 << 10).await?;
    questions.send(ask("bookstore.types.v1.Money")).await?;
    let mut answers = client.server_reflection_info(ReceiverStream::new(asked)).await?.into_inner();
    timeout(SOON, answers.message()).await??.context("ended")?;

    questions.send(ask(&"x".repeat(65 << 10))).await?;

    let refused = timeout(SOON, answers.message()).await?.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    Ok(())
}

/// The beginning of a message, and nothing more.
struct Half(Option<Bytes>);

impl http_body::Body for Half {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.0.take().map_or(Poll::Pending, |begun| Poll::Ready(Some(Ok(Frame::data(begun)))))
    }
}

/// What is answered to a call that is asked the beginning of a message, and how long that took.
async fn asked_by_halves(path: &str, shape: Shape) -> Result<(Status, Duration)> {
    let policy = mesh::Policy { timeout: Duration::from_hours(1), ..mesh::Policy::default() };
    let service = mesh::Client::new("inventory", &"ipv4:127.0.0.1:1".parse()?, policy, None);
    let service = Upstream::new(service, 8);
    let rules = Rules {
        max_message: 1 << 20,
        default_deadline: Duration::from_secs(20),
        streams_end: CancellationToken::new(),
    };
    let mut request = Request::new(Body::new(Half(Some(Bytes::from_static(&[0, 0, 0])))));
    request.headers_mut().insert("grpc-timeout", HeaderValue::from_static("30M"));
    let began = tokio::time::Instant::now();
    let id = RequestId::of(&HeaderMap::new());
    let refused = pass(request, path, shape, &service, &id, Arc::default(), &rules).await.err();
    Ok((refused.context("answered")?, began.elapsed()))
}

#[tokio::test(start_paused = true)]
async fn the_one_message_of_a_call_comes_in_good_time_or_is_given_up() -> Result<()> {
    for (path, answers_once) in [
        ("/bookstore.inventory.v1.InventoryService/ListBooks", true),
        ("/bookstore.order.v1.OrderService/WatchOrder", false),
    ] {
        let (refused, waited) = asked_by_halves(path, Shape { asks_once: true, answers_once }).await?;
        assert_eq!(refused.code(), Code::DeadlineExceeded, "{path}");
        assert_eq!(waited.as_secs(), 10, "{path}");
    }
    Ok(())
}

/// A stream of so many messages, with pauses before them and silence after.
fn feed(messages: u64, pause: Duration) -> Body {
    let chunks = stream::iter(0..messages).then(move |_| async move {
        tokio::time::sleep(pause).await;
        Ok::<_, Status>(Bytes::from_static(&[0, 0, 0, 0, 0]))
    });
    Body::new(axum::body::Body::from_stream(chunks.chain(stream::pending())))
}

/// How many frames of a stream are passed on, and why no more.
async fn uploaded(body: Body, streams_end: &CancellationToken) -> (usize, Status) {
    let rules =
        Rules { max_message: 100, default_deadline: Duration::ZERO, streams_end: streams_end.clone() };
    let (mut upload, mut refused) = Upload::new(body, false, &rules, Arc::default());
    let mut passed = 0;
    loop {
        let next =
            std::future::poll_fn(|context| http_body::Body::poll_frame(Pin::new(&mut upload), context));
        tokio::select! {
            status = refused.next() => return (passed, status),
            frame = next => passed += usize::from(frame.is_some_and(|frame| frame.is_ok())),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_may_last_but_not_fall_silent() {
    let began = tokio::time::Instant::now();

    let (passed, refused) = uploaded(feed(5, Duration::from_secs(20)), &CancellationToken::new()).await;

    assert_eq!((passed, refused.code()), (5, Code::DeadlineExceeded));
    assert_eq!(began.elapsed().as_secs(), 5 * 20 + 30);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_waits_ends_when_the_gateway_stops() {
    let stops = CancellationToken::new();
    stops.cancel();

    let (_, refused) = uploaded(feed(0, Duration::ZERO), &stops).await;

    assert_eq!(refused.code(), Code::Unavailable);
}
