//! Deadlines shrink, and bind streams only when their caller wants it.

use std::time::Duration;

use anyhow::Result;
use http::HeaderMap;
use mesh::{Client, Policy, Target};
use proto::{
    order::v1::{WatchOrderRequest, order_service_client::OrderServiceClient},
    payment::v1::GetBalanceRequest,
};
use tokio::time::Instant;
use tonic::Code;

use crate::{
    client, eventually, patient, quick,
    replica::{Replica, Reply},
};

fn told(replica: &Replica) -> Result<Vec<u64>> {
    let micros = |head: &HeaderMap| Ok(head["grpc-timeout"].to_str()?.trim_end_matches('u').parse()?);
    replica.headers().iter().map(micros).collect()
}

#[tokio::test]
async fn each_attempt_is_told_what_is_left() -> Result<()> {
    let server = Replica::start().await?;
    server.reply(Reply::Status("14"), Duration::from_millis(30));
    let mut client = client(&[server.address], patient())?;
    assert!(client.get_balance(GetBalanceRequest::default()).await.is_err());
    let told = told(&server)?;
    assert_eq!(told.len(), 3);
    assert!(told.windows(2).all(|pair| pair[1] + 30_000 <= pair[0]), "{told:?}");
    Ok(())
}

#[tokio::test]
async fn work_for_a_caller_ends_when_the_caller_goes() -> Result<()> {
    let server = Replica::start().await?;
    server.reply(Reply::Never, Duration::ZERO);
    let mut client = client(&[server.address], patient())?;
    let callers = Instant::now() + Duration::from_secs(2);
    let status =
        mesh::until(callers, client.get_balance(GetBalanceRequest::default())).await.expect_err("an answer");
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(told(&server)?[0] <= 2_000_000);
    Ok(())
}

#[tokio::test]
async fn no_retry_outlives_the_deadline() -> Result<()> {
    let server = Replica::start().await?;
    server.reply(Reply::Status("14"), Duration::from_millis(290));
    let mut client = client(&[server.address], quick())?;
    let status = client.get_balance(GetBalanceRequest::default()).await.expect_err("an answer");
    assert!(matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded));
    assert_eq!(server.calls(), 1);
    Ok(())
}

#[tokio::test]
async fn a_stream_lasts_as_long_as_its_caller_says() -> Result<()> {
    let server = Replica::start().await?;
    server.reply(Reply::Ok, Duration::from_millis(600));
    let target = Target::from(server.address);
    let mut client = OrderServiceClient::new(Client::new("order", &target, quick(), None));
    let mut stream = client.watch_order(WatchOrderRequest::default()).await?.into_inner();
    assert!(stream.message().await?.is_some());
    assert!(server.headers()[0].get("grpc-timeout").is_none());

    let mut request = tonic::Request::new(WatchOrderRequest::default());
    request.set_timeout(Duration::from_millis(200));
    let status = client.watch_order(request).await.expect_err("an answer");
    assert_eq!(status.code(), Code::DeadlineExceeded);
    Ok(())
}

#[tokio::test]
async fn an_expired_call_is_over_for_the_callee_too() -> Result<()> {
    let server = Replica::start().await?;
    let mut client = client(&[server.address], Policy { connections_per_endpoint: 1, ..quick() })?;
    server.reply(Reply::Never, Duration::ZERO);
    assert!(client.get_balance(GetBalanceRequest::default()).await.is_err());
    server.reply(Reply::Ok, Duration::ZERO);
    client.get_balance(GetBalanceRequest::default()).await?;
    eventually("one connection", || server.connections() == 1).await;
    Ok(())
}
