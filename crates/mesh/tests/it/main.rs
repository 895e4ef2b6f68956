//! Calls over a real network to real tonic servers.

mod balancing;
mod breaking;
mod cluster;
mod deadlines;
mod identity;
mod load;
mod names;
mod real_cluster;
mod replica;
mod resolving;
mod retrying;
mod seeing;
mod stub;
mod watching;

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use mesh::{Client, Policy, Target};
use opentelemetry::trace::TraceContextExt as _;
use proto::payment::v1::{GetBalanceRequest, payment_service_client::PaymentServiceClient};
use stub::Stub;
use tonic::Code;
use tracing::Instrument as _;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

fn quick() -> Policy {
    Policy { timeout: Duration::from_millis(300), ..Policy::default() }
}

/// For tests of what isn't a deadline, on machines that are busy.
fn patient() -> Policy {
    Policy { timeout: Duration::from_secs(20), connect_timeout: Duration::from_secs(5), ..Policy::default() }
}

fn client(addresses: &[SocketAddr], policy: Policy) -> Result<PaymentServiceClient<Client>> {
    let list: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let target: Target = format!("ipv4:{}", list.join(",")).parse()?;
    Ok(PaymentServiceClient::new(Client::new("payment", &target, policy, None)))
}

/// Waits for a condition that comes true soon.
async fn eventually(what: &str, is_true: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_true() {
        assert!(Instant::now() < deadline, "waited 20s in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// An address where nobody listens.
async fn nobody() -> Result<SocketAddr> {
    seeing::start();
    Ok(tokio::net::TcpListener::bind("127.0.0.1:0").await?.local_addr()?)
}

#[tokio::test]
async fn a_call_is_answered_and_its_deadline_is_told() -> Result<()> {
    let server = Stub::start().await?;
    let mut client = client(&[server.address], patient())?;
    client.get_balance(GetBalanceRequest::default()).await?;
    let metadata = server.last_metadata()?;
    let timeout = metadata.get("grpc-timeout").context("no grpc-timeout")?;
    let timeout: u64 = timeout.to_str()?.trim_end_matches('u').parse()?;
    assert!((19_000_000..20_000_000).contains(&timeout), "{timeout}");
    Ok(())
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_deadline_exceeded() -> Result<()> {
    let server = Stub::start().await?;
    server.never_answer();
    let mut client = client(&[server.address], quick())?;
    for _ in 0..5 {
        let began = Instant::now();
        let status = client.get_balance(GetBalanceRequest::default()).await.expect_err("an answer");
        assert_eq!(status.code(), Code::DeadlineExceeded);
        assert!(began.elapsed() < Duration::from_secs(1), "took {:?}", began.elapsed());
    }
    Ok(())
}

#[tokio::test]
async fn the_caller_may_ask_for_less() -> Result<()> {
    let server = Stub::start().await?;
    server.never_answer();
    let mut client = client(&[server.address], Policy { timeout: Duration::from_secs(20), ..quick() })?;
    let mut request = tonic::Request::new(GetBalanceRequest::default());
    request.set_timeout(Duration::from_millis(100));
    let began = Instant::now();
    let status = client.get_balance(request).await.expect_err("an answer");
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(began.elapsed() < Duration::from_secs(5), "took {:?}", began.elapsed());
    Ok(())
}

#[tokio::test]
async fn a_dead_endpoint_among_two_loses_no_call() -> Result<()> {
    let server = Stub::start().await?;
    let mut client = client(&[nobody().await?, server.address], patient())?;
    for _ in 0..200 {
        client.get_balance(GetBalanceRequest::default()).await?;
    }
    assert_eq!(server.calls(), 200);
    Ok(())
}

#[tokio::test]
async fn an_endpoint_that_dies_between_calls_loses_none() -> Result<()> {
    let (first, second) = (Stub::start().await?, Stub::start().await?);
    let mut client = client(&[first.address, second.address], patient())?;
    let mut busy = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let mut client = client.clone();
        busy.spawn(async move { client.get_balance(GetBalanceRequest::default()).await });
    }
    while let Some(answer) = busy.join_next().await {
        answer??;
    }
    assert!(first.calls() > 0 && second.calls() > 0, "both endpoints work");
    first.stop().await?;
    for _ in 0..50 {
        client.get_balance(GetBalanceRequest::default()).await?;
    }
    Ok(())
}

#[tokio::test]
async fn no_endpoint_is_unavailable_at_once() -> Result<()> {
    let mut client = client(&[nobody().await?, nobody().await?], patient())?;
    let began = Instant::now();
    let status = client.get_balance(GetBalanceRequest::default()).await.expect_err("an answer");
    assert_eq!(status.code(), Code::Unavailable);
    assert!(began.elapsed() < Duration::from_secs(2), "took {:?}", began.elapsed());
    Ok(())
}

#[tokio::test]
async fn a_service_that_comes_later_is_found() -> Result<()> {
    let address = nobody().await?;
    let mut client = client(&[address], patient())?;
    assert!(client.get_balance(GetBalanceRequest::default()).await.is_err());
    let _server = Stub::start_at(address).await?;
    client.get_balance(GetBalanceRequest::default()).await?;
    Ok(())
}

#[tokio::test]
async fn what_the_service_says_comes_through() -> Result<()> {
    let server = Stub::start().await?;
    let mut client = client(&[server.address], patient())?;
    let status =
        client.get_payment(proto::payment::v1::GetPaymentRequest::default()).await.expect_err("an answer");
    assert_eq!((status.code(), status.message()), (Code::NotFound, "no such payment"));
    Ok(())
}

#[tokio::test]
async fn the_callee_is_told_of_the_trace() -> Result<()> {
    let server = Stub::start().await?;
    let mut client = client(&[server.address], patient())?;
    let span = tracing::info_span!("click");
    client.get_balance(GetBalanceRequest::default()).instrument(span.clone()).await?;

    let metadata = server.last_metadata()?;
    let traceparent = metadata.get("traceparent").context("no traceparent")?.to_str()?.to_owned();
    let context = span.context();
    let trace = context.span().span_context().trace_id().to_string();
    assert!(traceparent.contains(&trace), "{traceparent} is of another trace than {trace}");
    assert!(traceparent.ends_with("-00"), "{traceparent}: nothing is recorded here");
    Ok(())
}

#[tokio::test]
async fn a_service_that_restarts_between_calls_loses_none() -> Result<()> {
    let mut server = Stub::start().await?;
    let address = server.address;
    let mut client = client(&[address], patient())?;
    for _ in 0..10 {
        client.get_balance(GetBalanceRequest::default()).await?;
        server.stop().await?;
        server = Stub::start_at(address).await?;
    }
    client.get_balance(GetBalanceRequest::default()).await?;
    Ok(())
}
