use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use auth::{Issuer, SigningKey};
use http::Request;
use hyper::body::Incoming;
use proto::{
    identity::v1::{
        AuthenticateUserRequest, AuthenticateUserResponse, ChangePasswordRequest, ChangePasswordResponse,
        GetJwksResponse, JsonWebKey, identity_service_client::IdentityServiceClient,
    },
    inventory::v1::{ListBooksRequest, ListBooksResponse},
    order::v1::GetOrderStatusRequest,
};
use secrecy::ExposeSecret as _;
use testkit::as_user;
use tonic::{Code, Status, body::Body};
use tonic_health::pb::HealthCheckRequest;
use tonic_types::StatusExt as _;
use values::{Clock, SessionId, UserId};

use crate::{
    harness::{Door, gateway},
    raw::{self, Http2},
    stub::{self, Stub},
};

const LIST: &str = "/bookstore.inventory.v1.InventoryService/ListBooks";

/// Answers everything, and signs tokens.
async fn shop() -> Result<(Stub, Issuer)> {
    let (key, _) = SigningKey::generate();
    let public = key.public().clone();
    let keys = GetJwksResponse {
        keys: vec![JsonWebKey {
            kid: public.kid,
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            alg: "EdDSA".to_owned(),
            x: public.x,
        }],
    };
    let stub = Stub::start(move |request: Request<Incoming>| {
        let keys = keys.clone();
        async move {
            match request.uri().path().rsplit('/').next() {
                Some("GetJwks") => stub::answer(&keys),
                Some("AuthenticateUser") => stub::answer(&AuthenticateUserResponse::default()),
                Some("ChangePassword") => stub::answer(&ChangePasswordResponse::default()),
                _ => stub::answer(&ListBooksResponse::default()),
            }
        }
    })
    .await?;
    Ok((stub, Issuer::new(key, Duration::from_mins(15))))
}

fn token(issuer: &Issuer) -> Result<String> {
    let access = auth::Access { version: 1, permissions: Vec::new() };
    let token = issuer.issue(UserId::new(), SessionId::new(), &access, Clock::system().now())?;
    Ok(token.token.expose_secret().to_owned())
}

/// What a call was answered.
async fn list(door: &Door, token: Option<&str>) -> Result<Status> {
    let request = match token {
        Some(token) => as_user(token, ListBooksRequest::default())?,
        None => tonic::Request::new(ListBooksRequest::default()),
    };
    Ok(door.inventory()?.list_books(request).await.err().unwrap_or_else(|| Status::ok("")))
}

/// So many calls at once, and another one each second.
struct Allowance {
    burst: u64,
    began: Instant,
    accepted: u64,
}

impl Allowance {
    fn of(burst: u64) -> Self {
        Self { burst, began: Instant::now(), accepted: 0 }
    }

    /// Asks until it is refused, which it is when the allowance is spent and not before; says how.
    async fn is_spent(&mut self, mut ask: impl AsyncFnMut() -> Result<Status>) -> Result<Status> {
        let refused = loop {
            let status = ask().await?;
            if status.code() == Code::ResourceExhausted {
                break status;
            }
            ensure!(status.code() == Code::Ok, "{status}");
            self.accepted += 1;
            ensure!(self.accepted < 100, "nobody is refused");
        };
        let most = self.burst + self.began.elapsed().as_secs();
        ensure!(
            (self.burst..=most).contains(&self.accepted),
            "{} calls, not {} to {most}",
            self.accepted,
            self.burst
        );
        Ok(refused)
    }
}

#[tokio::test]
async fn each_caller_has_an_allowance() -> Result<()> {
    let (stub, issuer) = shop().await?;
    let door = gateway(&stub.target(), |config| {
        (config.limits.address_rate, config.limits.address_burst) = (1, 2);
        (config.limits.user_rate, config.limits.user_burst) = (1, 3);
    })
    .await?;
    let (ada, grace) = (token(&issuer)?, token(&issuer)?);

    for caller in [&ada, &grace] {
        Allowance::of(3).is_spent(async || list(&door, Some(caller)).await).await?;
    }
    // Whose token is no token is nobody in particular.
    let mut nobody = [None, Some("nonsense")].into_iter().cycle();
    let refused = Allowance::of(2).is_spent(async || list(&door, nobody.next().flatten()).await).await?;

    assert_eq!(refused.get_details_error_info().context("no details")?.reason, "TOO_MANY_CALLS");
    let wait = refused.get_details_retry_info().and_then(|info| info.retry_delay).context("no delay")?;
    assert!(wait <= Duration::from_secs(1), "{wait:?}");
    Ok(())
}

#[tokio::test]
async fn a_token_that_is_not_valid_reaches_the_service_which_says_what_is_wrong_with_it() -> Result<()> {
    let (stub, _) = shop().await?;
    let door = gateway(&stub.target(), |_| {}).await?;
    list(&door, Some("nonsense")).await?;
    assert_eq!(stub.last()?["authorization"], "Bearer nonsense");
    Ok(())
}

#[tokio::test]
async fn signing_in_and_guessing_at_a_password_are_limited_by_address() -> Result<()> {
    let (stub, issuer) = shop().await?;
    let door = gateway(&stub.target(), |config| {
        (config.limits.sign_in_rate, config.limits.sign_in_burst) = (1, 2);
    })
    .await?;
    let mut identity = IdentityServiceClient::new(door.channel()?);
    let token = token(&issuer)?;
    let mut allowance = Allowance::of(2);
    allowance
        .is_spent(async || {
            let answer = identity.authenticate_user(AuthenticateUserRequest::default()).await;
            Ok(answer.err().unwrap_or_else(|| Status::ok("")))
        })
        .await?;
    allowance
        .is_spent(async || {
            let guess = as_user(&token, ChangePasswordRequest::default())?;
            Ok(identity.change_password(guess).await.err().unwrap_or_else(|| Status::ok("")))
        })
        .await?;
    assert_eq!(list(&door, Some(&token)).await?.code(), Code::Ok);
    assert_eq!(list(&door, None).await?.code(), Code::Ok);
    Ok(())
}

#[tokio::test]
async fn addresses_are_told_by_trusted_proxies_alone() -> Result<()> {
    let (stub, _) = shop().await?;
    let allowance = |config: &mut gateway::Config| {
        (config.limits.address_rate, config.limits.address_burst) = (1, 1);
    };
    let behind = gateway(&stub.target(), |config| {
        allowance(config);
        config.trusted_proxies = "127.0.0.1".parse().unwrap();
    })
    .await?;
    let open = gateway(&stub.target(), allowance).await?;

    let from = async |door: &Door, address: &str| {
        let mut client = Http2::connect(door.address()).await?;
        let request = stub::once(&ListBooksRequest::default());
        let response = client.call(LIST, &[("x-forwarded-for", address)], request).await?;
        anyhow::Ok(Status::new(raw::code(&raw::whole(response).await?.1), ""))
    };

    for address in ["192.0.2.1", "192.0.2.2"] {
        Allowance::of(1).is_spent(async || from(&behind, address).await).await?;
    }
    let mut addresses = ["192.0.2.1", "192.0.2.2"].into_iter().cycle();
    let mut next = || addresses.next().unwrap_or_default();
    Allowance::of(1).is_spent(async || from(&open, next()).await).await?;
    Ok(())
}

#[tokio::test]
async fn news_of_health_are_counted_as_any_call_and_probes_apart_from_them() -> Result<()> {
    let (stub, _) = shop().await?;
    let door = gateway(&stub.target(), |config| config.limits.calls_at_once = 2).await?;
    let mut client = Http2::connect(door.address()).await?;
    let mut ask = async |path: &str, body: Body| {
        let response = client.call(path, &[], body).await?;
        let code = response.headers().get("grpc-status").map(|_| raw::code(response.headers()));
        anyhow::Ok((response, code))
    };
    let about = HealthCheckRequest::default();
    let mut held = Vec::new();
    for _ in 0..2 {
        let (response, refused) = ask("/grpc.health.v1.Health/Watch", stub::once(&about)).await?;
        assert_eq!(refused, None);
        held.push(response);
    }

    let (_, refused) = ask("/grpc.health.v1.Health/Watch", stub::once(&about)).await?;
    assert_eq!(refused, Some(Code::ResourceExhausted));
    assert_eq!(list(&door, None).await?.code(), Code::ResourceExhausted);
    let (probe, _) = ask("/grpc.health.v1.Health/Check", stub::once(&about)).await?;
    assert_eq!(raw::code(&raw::whole(probe).await?.1), Code::Ok);
    Ok(())
}

#[tokio::test]
async fn probes_that_are_never_asked_to_the_end_keep_to_their_share() -> Result<()> {
    let (stub, _) = shop().await?;
    let door = gateway(&stub.target(), |config| config.limits.calls_at_once = 2).await?;
    let check = async || {
        let mut client = Http2::connect(door.address()).await?;
        let (held, body) = stub::stream();
        let asked = client.call("/grpc.health.v1.Health/Check", &[], body.into_body()).await;
        drop(held);
        anyhow::Ok(raw::code(asked?.headers()))
    };
    let checks: Vec<_> = (0..3).map(|_| Box::pin(check())).collect();
    let (first_answered, _, _waiting) = futures::future::select_all(checks).await;
    assert_eq!(first_answered?, Code::ResourceExhausted);
    assert_eq!(list(&door, None).await?.code(), Code::Ok);
    Ok(())
}

#[tokio::test]
async fn a_service_that_hangs_leaves_room_for_the_others() -> Result<()> {
    let hangs = Stub::start(async |_| std::future::pending().await).await?;
    let (stub, _) = shop().await?;
    let door = gateway(&stub.target(), |config| {
        config.base.max_concurrent_calls = 4;
        config.order_target = hangs.target().parse().unwrap();
    })
    .await?;
    let ask = async || {
        door.orders()?.get_order_status(GetOrderStatusRequest::default()).await.map_err(anyhow::Error::from)
    };
    let mut waiting: Vec<_> = (0..2).map(|_| Box::pin(ask())).collect();
    let came = testkit::eventually("both have come", Duration::from_secs(10), async || {
        (hangs.seen().len() == 2).then_some(())
    });
    tokio::select! {
        came = came => came?,
        (answered, ..) = futures::future::select_all(&mut waiting) => anyhow::bail!("{answered:?}"),
    }

    let refused = door.orders()?.get_order_status(GetOrderStatusRequest::default()).await.unwrap_err();
    assert_eq!(refused.get_details_error_info().context("no details")?.reason, "OVERLOADED");
    assert_eq!(list(&door, None).await?.code(), Code::Ok);

    drop(waiting);
    testkit::eventually("there is room again", Duration::from_secs(10), async || {
        let asked = tokio::time::timeout(Duration::from_millis(100), ask()).await;
        asked.is_err().then_some(())
    })
    .await
}

#[tokio::test]
async fn a_caller_has_so_many_calls_under_way_and_no_more() -> Result<()> {
    let stub = Stub::start(async |request: Request<Incoming>| {
        if request.uri().path() == LIST {
            return stub::answer(&ListBooksResponse::default());
        }
        let (frames, response) = stub::stream();
        tokio::spawn(async move { frames.closed().await });
        response
    })
    .await?;
    let door = gateway(&stub.target(), |config| config.limits.calls_at_once = 2).await?;
    let mut client = Http2::connect(door.address()).await?;
    let mut streams = Vec::new();
    for _ in 0..2 {
        let path = "/bookstore.order.v1.OrderService/WatchOrder";
        streams.push(client.call(path, &[], Body::empty()).await?);
    }

    assert_eq!(list(&door, None).await?.code(), Code::ResourceExhausted);

    streams.pop();
    testkit::eventually("there is room again", Duration::from_secs(10), async || {
        list(&door, None).await.ok()
    })
    .await?;
    Ok(())
}
