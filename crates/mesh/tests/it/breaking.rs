//! A service that fails is not asked, and asked again.

use std::{
    future::{Future as _, poll_fn},
    pin::pin,
    task::Poll,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use mesh::{BreakerPolicy, Policy};
use proto::payment::v1::{GetBalanceRequest, payment_service_client::PaymentServiceClient};
use tonic::Code;
use tonic_types::StatusExt as _;
use tower::Service as _;

use crate::{
    client, patient,
    replica::{Replica, Reply},
};

#[tokio::test]
async fn it_opens_says_when_to_come_back_and_closes() -> Result<()> {
    let server = Replica::start().await?;
    server.reply(Reply::Status("14"), Duration::ZERO);
    let shortest = Duration::from_millis(300);
    let breaker = BreakerPolicy { shortest, ..BreakerPolicy::default() };
    let mut client = client(&[server.address], Policy { breaker, ..patient() })?;
    let mut failed = 0;
    let status = loop {
        let asked = server.calls();
        let status = client.get_balance(GetBalanceRequest::default()).await.expect_err("an answer");
        if server.calls() == asked {
            break status;
        }
        failed += 1;
        assert!(failed < 100, "it never opens");
    };
    assert!(failed >= 20, "it opens after {failed} failures");
    assert_eq!(status.code(), Code::Unavailable);
    let again = status.get_details_retry_info().context("no RetryInfo")?.retry_delay.context("no delay")?;
    assert!(again <= shortest, "{again:?}");

    server.reply(Reply::Ok, Duration::ZERO);
    let deadline = Instant::now() + Duration::from_secs(10);
    while client.get_balance(GetBalanceRequest::default()).await.is_err() {
        assert!(Instant::now() < deadline, "it stays open");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for _ in 0..20 {
        client.get_balance(GetBalanceRequest::default()).await?;
    }
    Ok(())
}

#[tokio::test]
async fn refusals_do_not_open_it() -> Result<()> {
    let server = Replica::start().await?;
    // NOT_FOUND, FAILED_PRECONDITION, RESOURCE_EXHAUSTED, INTERNAL.
    for status in ["5", "9", "8", "13"] {
        server.reply(Reply::Status(status), Duration::ZERO);
        let mut client = client(&[server.address], patient())?;
        for _ in 0..50 {
            let status = client.get_balance(GetBalanceRequest::default()).await.expect_err("an answer");
            assert_ne!(status.code(), Code::Unavailable);
        }
    }
    assert_eq!(server.calls(), 200);
    Ok(())
}

#[tokio::test]
async fn a_service_that_answers_nothing_is_left_alone() -> Result<()> {
    let server = Replica::start().await?;
    server.reply(Reply::Never, Duration::ZERO);
    let client = client(&[server.address], Policy { timeout: Duration::from_secs(2), ..patient() })?;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..25 {
        let mut client = client.clone();
        calls.spawn(async move { client.get_balance(GetBalanceRequest::default()).await });
    }
    while let Some(answer) = calls.join_next().await {
        assert_eq!(answer?.expect_err("an answer").code(), Code::DeadlineExceeded);
    }
    let status = client.clone().get_balance(GetBalanceRequest::default()).await.expect_err("an answer");
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(server.calls(), 25);
    Ok(())
}

/// As the gateway calls: its clients say how long.
#[tokio::test]
async fn a_hung_service_is_left_alone_whatever_the_policy_allows() -> Result<()> {
    let server = Replica::start().await?;
    server.reply(Reply::Never, Duration::ZERO);
    let day = Duration::from_hours(24);
    let client = client(&[server.address], Policy { timeout: day, ..patient() })?;
    let call = || {
        let mut client = client.clone();
        let mut request = tonic::Request::new(GetBalanceRequest::default());
        request.set_timeout(Duration::from_millis(400));
        async move { client.get_balance(request).await }
    };
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..25 {
        calls.spawn(call());
    }
    while let Some(answer) = calls.join_next().await {
        assert_eq!(answer?.expect_err("an answer").code(), Code::DeadlineExceeded);
    }
    let status = call().await.expect_err("an answer");
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(status.get_details_error_info().context("no ErrorInfo")?.reason, "CIRCUIT_OPEN");
    Ok(())
}

#[tokio::test]
async fn who_says_when_to_come_back_lives_and_is_asked_again() -> Result<()> {
    let (first, second) = (Replica::start().await?, Replica::start().await?);
    for replica in [&first, &second] {
        replica.reply(Reply::UnavailableFor("500"), Duration::ZERO);
    }
    let target = mesh::Target::Ipv4(vec![first.address, second.address]);
    let mut client = PaymentServiceClient::new(mesh::Client::new("deferring", &target, patient(), None));
    for made in 1..=50 {
        let status = client.get_balance(GetBalanceRequest::default()).await.expect_err("an answer");
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(first.calls() + second.calls(), made);
    }
    let ejections = r#"mesh_client_ejections_total{callee="deferring"}"#;
    assert!(!telemetry::prometheus_text().contains(ejections), "somebody is put out");
    Ok(())
}

/// A request whose body never ends, to a service that is on trial.
#[tokio::test]
async fn a_request_that_is_never_sent_whole_probes_nothing() -> Result<()> {
    let server = Replica::start().await?;
    server.reply(Reply::Status("14"), Duration::ZERO);
    let shortest = Duration::from_millis(300);
    let breaker = BreakerPolicy { shortest, longest: shortest, ..BreakerPolicy::default() };
    let channel = mesh::Client::new(
        "payment",
        &mesh::Target::from(server.address),
        Policy { breaker, ..patient() },
        None,
    );
    let mut client = PaymentServiceClient::new(channel.clone());
    let is_open = |status: &tonic::Status| {
        status.get_details_error_info().is_some_and(|info| info.reason == "CIRCUIT_OPEN")
    };
    while !is_open(&client.get_balance(GetBalanceRequest::default()).await.expect_err("an answer")) {}
    server.reply(Reply::Ok, Duration::ZERO);
    tokio::time::sleep(shortest).await;
    let (_never_sent, rest) = tokio::sync::mpsc::channel::<Result<http_body::Frame<Bytes>, tonic::Status>>(1);
    let body = http_body_util::StreamBody::new(tokio_stream::wrappers::ReceiverStream::new(rest));
    let request = http::Request::post("http://payment/bookstore.payment.v1.PaymentService/GetBalance")
        .body(tonic::body::Body::new(body))?;
    let mut half_sent = pin!(channel.clone().call(request));
    assert!(
        poll_fn(|context| Poll::Ready(half_sent.as_mut().poll(context).is_pending())).await,
        "it waits for the rest"
    );
    client.get_balance(GetBalanceRequest::default()).await?;
    Ok(())
}

/// As whoever needs two answers for one request, and gives up with the first refusal.
#[tokio::test]
async fn callers_who_leave_do_not_keep_it_open() -> Result<()> {
    let server = Replica::start().await?;
    server.reply(Reply::Status("14"), Duration::ZERO);
    let shortest = Duration::from_millis(100);
    let breaker = BreakerPolicy { shortest, longest: shortest, ..BreakerPolicy::default() };
    let client = client(&[server.address], Policy { breaker, ..patient() })?;
    let both = || {
        let (mut one, mut other) = (client.clone(), client.clone());
        async move {
            tokio::try_join!(
                one.get_balance(GetBalanceRequest::default()),
                other.get_balance(GetBalanceRequest::default())
            )
        }
    };
    for _ in 0..50 {
        both().await.expect_err("an answer");
    }
    server.reply(Reply::Ok, Duration::from_millis(20));
    let deadline = Instant::now() + Duration::from_secs(10);
    while both().await.is_err() {
        assert!(Instant::now() < deadline, "it stays open");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}
