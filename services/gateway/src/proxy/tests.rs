//! What no method of the contract does yet: both sides stream. Reflection does, so it is what is passed on.

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    task::{Context, Poll},
    time::Duration,
};

use anyhow::{Context as _, Result};
use futures::future::{BoxFuture, FutureExt as _};
use http::HeaderMap;
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

/// Passes everything on to one service.
#[derive(Clone)]
struct Passing {
    service: mesh::Client,
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
            let passed = pass(request, PATH, false, service, &id, Arc::default(), &rules).await;
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
