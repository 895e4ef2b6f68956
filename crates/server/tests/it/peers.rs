//! Which service calls, and who can't call at all.

use std::{net::SocketAddr, time::Duration};

use anyhow::Result;
use server::config::{Base, Mesh};
use testkit::{Certificates, TRUST_DOMAIN, certificates, eventually};
use tokio::net::TcpStream;
use tonic::{Code, Status, body::Body};
use tonic_types::StatusExt as _;

use crate::{
    raw::{self, RESERVE},
    shop::{self, Grounds, Running, SOON},
};

fn empty_message() -> Result<Body> {
    Ok(Body::new(axum::body::Body::from(raw::framed(&[])?)))
}

fn is_for_services_only(status: &Status) -> bool {
    status.code() == Code::PermissionDenied
        && status.get_details_error_info().is_some_and(|info| info.reason == "SERVICES_ONLY")
}

#[tokio::test]
async fn a_service_is_known_by_its_certificate() -> Result<()> {
    let shop = shop::start().await?;

    let named = raw::call_as("order", shop.grpc, RESERVE, &[], empty_message()?).await?;
    assert_eq!((named.code(), named.message()), (Code::Aborted, "order"));

    for other in ["gateway", "identity", "shop"] {
        let refused = raw::call_as(other, shop.grpc, RESERVE, &[], empty_message()?).await?;
        assert!(is_for_services_only(&refused), "{other}: {refused}");
    }
    shop.stopped().await
}

#[tokio::test]
async fn no_header_makes_a_service() -> Result<()> {
    let shop = shop::start().await?;
    for claim in [
        ("l5d-client-id", "order.default.serviceaccount.identity.linkerd.cluster.local"),
        ("x-forwarded-client-cert", "URI=spiffe://bookstore.local/ns/default/sa/order"),
        ("bookstore-peer-secret", "0123456789abcdef0123456789abcdef"),
    ] {
        let refused = raw::call_as("gateway", shop.grpc, RESERVE, &[claim], empty_message()?).await?;
        assert!(is_for_services_only(&refused), "{claim:?}: {refused}");
    }
    shop.stopped().await
}

#[tokio::test]
async fn without_a_valid_certificate_of_the_shop_nobody_gets_an_answer() -> Result<()> {
    let shop = shop::start().await?;
    let folder = tempfile::tempdir()?;
    let another_authority = Certificates::new(TRUST_DOMAIN)?.identity("order")?;
    let another_domain = Certificates::new("elsewhere.example")?.identity("order")?;
    let hour = Duration::from_hours(1);
    let expired = certificates()?.write_valid(folder.path(), "order", 2 * hour, hour);
    let expired = tls::Identity::load(expired?);

    for (whose, stranger) in
        [("another authority's", another_authority), ("another domain's", another_domain)]
            .into_iter()
            .chain(expired.map(|expired| ("expired", expired)))
    {
        let called = async {
            let stream = raw::connect(shop.grpc, &stranger).await?;
            raw::ended(stream, RESERVE, &[], empty_message()?).await
        };
        assert!(called.await.is_err(), "{whose} certificate was taken");
    }
    let plain = TcpStream::connect(shop.grpc).await?;
    assert!(raw::ended(plain, RESERVE, &[], empty_message()?).await.is_err(), "plaintext was answered");
    let named = raw::call_as("order", shop.grpc, RESERVE, &[], empty_message()?).await?;
    assert_eq!(named.message(), "order");
    shop.stopped().await
}

#[tokio::test]
async fn connections_that_say_nothing_keep_nobody_waiting() -> Result<()> {
    let shop = shop::start().await?;
    let mut silent = Vec::new();
    for _ in 0..300 {
        silent.push(TcpStream::connect(shop.grpc).await?);
    }

    let begun = tokio::time::Instant::now();
    let named = raw::call_as("order", shop.grpc, RESERVE, &[], empty_message()?).await?;

    assert_eq!(named.message(), "order");
    assert!(begun.elapsed() < Duration::from_secs(3), "took {:?}", begun.elapsed());
    drop(silent);
    shop.stopped().await
}

/// Starts a shop that answers in plaintext.
async fn plaintext(change: impl FnOnce(&mut Base)) -> Result<Running> {
    let shop = Grounds::new().await?.start(|config| change(&mut config.base)).await?;
    eventually("readiness", SOON, async || {
        raw::get(shop.admin, "/readyz").await.ok().filter(|(first, _)| first.ends_with("200 OK"))
    })
    .await?;
    Ok(shop)
}

async fn told(port: SocketAddr, claim: (&'static str, &str)) -> Result<Status> {
    raw::ended(TcpStream::connect(port).await?, RESERVE, &[claim], empty_message()?).await
}

#[tokio::test]
async fn a_meshs_proxy_is_believed_where_there_is_one() -> Result<()> {
    let linkerd = ("l5d-client-id", "order.shops.serviceaccount.identity.linkerd.cluster.local");
    let istio = ("x-forwarded-client-cert", "By=a;URI=spiffe://cluster.local/ns/shops/sa/order");

    for (mesh, its_own, the_others) in [(Mesh::Linkerd, linkerd, istio), (Mesh::Istio, istio, linkerd)] {
        let shop = plaintext(|base| {
            base.mesh = mesh;
            base.mesh_namespace = Some("shops".to_owned());
            base.mesh_trust_domain = Some("cluster.local".to_owned());
        })
        .await?;
        assert_eq!(told(shop.grpc, its_own).await?.message(), "order", "{mesh:?}");
        assert!(is_for_services_only(&told(shop.grpc, the_others).await?), "{mesh:?}");
        shop.stopped().await?;
    }
    Ok(())
}

#[tokio::test]
async fn without_a_mesh_nobody_is_a_service_unless_everybody_is() -> Result<()> {
    let claim = ("l5d-client-id", "order.default.serviceaccount.identity.linkerd.cluster.local");
    for allows in [false, true] {
        let shop = plaintext(|base| {
            base.mesh = Mesh::Off;
            base.allow_unidentified_peers = allows;
        })
        .await?;
        let answer = told(shop.grpc, claim).await?;
        if allows {
            assert_eq!(answer.message(), "order");
        } else {
            assert!(is_for_services_only(&answer), "{answer}");
        }
        shop.stopped().await?;
    }
    Ok(())
}
