//! Whom calls admit: as the contract says, and only while their sign-in lasts.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context as Poller, Poll},
};

use anyhow::{Context as _, Result};
use auth::{Customer, Permission, Verifier};
use futures::StreamExt as _;
use prost::Message as _;
use proto::{
    identity::v1::{AccessChanged, SessionRevoked},
    order::v1::{GetOrderStatusRequest, PlaceOrderRequest, WatchOrderRequest},
};
use server::{Application, BuildError, Context, Listeners, Service, SqlMigration};
use testkit::{Broker, TestIdentity, as_user, eventually, publish};
use tokio::{net::TcpListener, time::Instant};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status, body::Body, server::NamedService};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_types::StatusExt as _;
use values::{Clock, UserId};

use crate::{
    raw::{self, GET_ORDER, RESERVE},
    shop::{self, Grounds, Running, SOON, order},
};

fn refusal(status: &Status) -> (Code, String) {
    (status.code(), status.get_details_error_info().map(|info| info.reason).unwrap_or_default())
}

/// What the token says, as its verifier reads it.
async fn customer(identity: &TestIdentity, token: &str) -> Result<Customer> {
    Ok(identity.verifier().verify(token, Clock::system().now()).await?)
}

async fn end_session(broker: &Broker, customer: &Customer) -> Result<()> {
    let session = customer.session_id.to_string();
    publish(broker, &session, 1, &SessionRevoked { session_id: session.clone() }).await?;
    Ok(())
}

/// How a call with the token is refused; `None` if it isn't.
async fn asked(shop: &Running, token: &str) -> Result<Option<(Code, String)>> {
    let answer = shop.orders()?.get_order(as_user(token, order("mine"))?).await;
    Ok(answer.err().as_ref().map(refusal))
}

async fn becomes_revoked(shop: &Running, token: &str) -> Result<()> {
    let revoked = Some((Code::Unauthenticated, "SESSION_REVOKED".to_owned()));
    eventually("the token is refused", SOON, async || {
        (asked(shop, token).await.ok()? == revoked).then_some(())
    })
    .await
}

#[tokio::test]
async fn a_permission_that_is_missing_is_named() -> Result<()> {
    let shop = shop::start().await?;
    let user = UserId::new();
    let without = shop.identity.token_with(user, &[Permission::USERS_READ])?;
    let with = shop.identity.token_with(user, &[Permission::ORDERS_PLACE])?;
    let place = |token: &str| as_user(token, PlaceOrderRequest::default());

    let refused = shop.orders()?.place_order(place(&without)?).await.unwrap_err();

    assert_eq!(refusal(&refused), (Code::PermissionDenied, "PERMISSION_MISSING".to_owned()));
    let info = refused.get_details_error_info().context("no ErrorInfo")?;
    assert_eq!(info.metadata.get("permission").map(String::as_str), Some("orders.place"));
    shop.orders()?.place_order(place(&with)?).await?;
    shop.stopped().await
}

#[tokio::test]
async fn what_is_for_certain_services_admits_no_other_and_no_user() -> Result<()> {
    let shop = shop::start().await?;
    let admin = shop.identity.token_with(UserId::new(), Permission::ALL)?;
    let bearer = format!("Bearer {admin}");
    let token: &[(&'static str, &str)] = &[("authorization", &bearer)];

    for (service, headers) in [("gateway", token), ("gateway", &[]), ("payment", &[]), ("payment", token)] {
        let refused = raw::call_as(service, shop.grpc, RESERVE, headers, Body::empty()).await?;
        let services_only = (Code::PermissionDenied, "SERVICES_ONLY".to_owned());
        assert_eq!(refusal(&refused), services_only, "{service} {headers:?}");
    }
    let answer = raw::call_as("order", shop.grpc, RESERVE, &[], Body::empty()).await?;
    assert_eq!((answer.code(), answer.message()), (Code::Aborted, "order"));
    shop.stopped().await
}

#[tokio::test]
async fn an_ended_session_is_refused_within_a_second_and_its_streams_end() -> Result<()> {
    let shop = shop::start().await?;
    let user = UserId::new();
    let (token, elsewhere) = (shop.identity.token(user)?, shop.identity.token(user)?);
    let watch = WatchOrderRequest { order_id: "any".to_owned() };
    let mut statuses = shop.orders()?.watch_order(as_user(&token, watch)?).await?.into_inner();
    assert!(statuses.next().await.is_some_and(|first| first.is_ok()));
    assert_eq!(asked(&shop, &token).await?, None);

    end_session(&shop.broker, &customer(&shop.identity, &token).await?).await?;
    let ended = Instant::now();

    let last = tokio::time::timeout(SOON, statuses.next()).await?.context("no status")?.unwrap_err();
    assert_eq!(refusal(&last), (Code::Unauthenticated, "SESSION_REVOKED".to_owned()));
    becomes_revoked(&shop, &token).await?;
    assert!(ended.elapsed().as_secs_f64() < 1.0, "took {:?}", ended.elapsed());
    assert_eq!(asked(&shop, &elsewhere).await?, None, "another session is another matter");
    shop.stopped().await
}

#[tokio::test]
async fn a_change_of_access_refuses_the_users_earlier_tokens() -> Result<()> {
    let shop = shop::start().await?;
    let token = shop.identity.token(UserId::new())?;
    assert_eq!(asked(&shop, &token).await?, None);

    let user_id = customer(&shop.identity, &token).await?.user_id.to_string();
    let least_version = customer(&shop.identity, &token).await?.version() + 1;
    publish(&shop.broker, &user_id, 1, &AccessChanged { user_id: user_id.clone(), least_version }).await?;

    becomes_revoked(&shop, &token).await?;
    shop.stopped().await
}

#[tokio::test]
async fn a_replica_that_starts_after_a_sign_out_refuses_from_its_first_call_on() -> Result<()> {
    let identity = TestIdentity::start().await?;
    let token = identity.token(UserId::new())?;
    let grounds = Grounds { verifier: Some(identity.verifier()), ..Grounds::new().await? };
    end_session(&grounds.broker, &customer(&identity, &token).await?).await?;

    let shop = grounds.start(|_| {}).await?;
    shop.becomes(ServingStatus::Serving).await?;

    let revoked = (Code::Unauthenticated, "SESSION_REVOKED".to_owned());
    assert_eq!(asked(&shop, &token).await?, Some(revoked));
    shop.stopped().await
}

#[tokio::test]
async fn every_error_has_a_reason_and_names_the_request() -> Result<()> {
    let shop = shop::start().await?;

    let bare = shop.orders()?.get_order_status(GetOrderStatusRequest::default()).await.unwrap_err();
    assert_eq!(refusal(&bare), (Code::Unimplemented, "UNIMPLEMENTED".to_owned()));
    assert!(bare.get_details_request_info().is_none());

    let body = raw::framed(&order("panic").encode_to_vec())?;
    for (method, code) in [(GET_ORDER, Code::Internal), ("/made.up/Method", Code::Unimplemented)] {
        let refused = raw::call(&shop, method, &[("x-request-id", "click-17")], body.clone()).await?;
        assert_eq!(refused.code(), code);
        assert_eq!(refused.get_details_request_info().context(code)?.request_id, "click-17");
        assert!(refused.get_details_error_info().is_some(), "{method}");
    }
    shop.stopped().await
}

/// Serves what the contract doesn't have.
struct Undeclared;

#[tonic::async_trait]
impl Application for Undeclared {
    const NAME: &'static str = "shop";
    const PORT: u16 = 50059;
    const MIGRATIONS: &'static [SqlMigration] = &[];
    type Config = UndeclaredConfig;

    async fn build(_: UndeclaredConfig, _: &Context) -> Result<Service, BuildError> {
        Ok(Service::new(Self::NAME, Verifier::with_keys(Vec::new())).rpc(BackDoor))
    }
}

#[derive(clap::Parser)]
struct UndeclaredConfig {
    #[command(flatten)]
    server: server::Config,
}

impl AsRef<server::Config> for UndeclaredConfig {
    fn as_ref(&self) -> &server::Config {
        &self.server
    }
}

#[derive(Clone)]
struct BackDoor;

impl NamedService for BackDoor {
    const NAME: &'static str = "made.up.BackDoor";
}

impl tower::Service<http::Request<Body>> for BackDoor {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<http::Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Poller<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<Body>) -> Self::Future {
        ready(Ok(Status::ok("").into_http()))
    }
}

#[tokio::test]
async fn what_no_policy_guards_is_not_served() -> Result<()> {
    let (database, broker) = (testkit::empty_database().await?, Broker::start().await?);
    let config = UndeclaredConfig { server: testkit::config::<Undeclared>(&database, &broker)? };
    let listeners = Listeners {
        grpc: TcpListener::bind("127.0.0.1:0").await?,
        admin: TcpListener::bind("127.0.0.1:0").await?,
    };

    let run = server::run::<Undeclared>(config, listeners, Clock::system(), CancellationToken::new());
    let refused = tokio::time::timeout(SOON, run).await?.unwrap_err();

    assert!(refused.to_string().contains("made.up.BackDoor"), "{refused}");
    Ok(())
}
