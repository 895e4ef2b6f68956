//! When a service is given calls, and what it then does without.

use anyhow::Result;
use proto::identity::v1::AccessChanged;
use testkit::{Broker, Gate, as_user, eventually};
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_types::StatusExt as _;
use values::UserId;

use crate::{
    raw,
    shop::{Grounds, SOON, order},
};

#[tokio::test]
async fn readiness_waits_until_revoked_tokens_are_known_and_stays_without_the_broker() -> Result<()> {
    let grounds = Grounds { broker: Broker::empty().await?, ..Grounds::new().await? };
    let shop = grounds.start(|_| {}).await?;
    // Migrated, put together and at work.
    let jetstream = shop.broker.jetstream().await?;
    eventually("the relay's stream", SOON, async || jetstream.get_stream("SHOP").await.ok()).await?;
    eventually("the database's health", SOON, async || {
        shop.health("database").await.ok().filter(|status| *status == ServingStatus::Serving)
    })
    .await?;
    assert_eq!(shop.health("").await?, ServingStatus::NotServing);
    assert_eq!(raw::get(shop.admin, "/readyz").await?.0, "HTTP/1.1 503 Service Unavailable");
    let refused = shop.orders()?.get_order(order("any")).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);

    shop.broker.make_identity_stream().await?;
    shop.becomes(ServingStatus::Serving).await?;

    shop.broker.stop().await?;
    eventually("the broker's absence", SOON, async || {
        shop.admin_health("broker").await.ok().filter(|status| *status == ServingStatus::NotServing)
    })
    .await?;
    assert_eq!(shop.health("").await?, ServingStatus::Serving);
    assert_eq!(raw::get(shop.admin, "/readyz").await?.0, "HTTP/1.1 200 OK");
    shop.orders()?.get_order(order("count")).await?;
    shop.stopped().await
}

#[tokio::test]
async fn a_database_that_leaves_is_told_of_and_changes_nothing_about_readiness() -> Result<()> {
    let grounds = Grounds::new().await?;
    let (gate, url) = Gate::before(grounds.database.url()).await?;
    let shop = grounds.start(|config| config.database_url = url.into()).await?;
    shop.becomes(ServingStatus::Serving).await?;
    for wanted in [ServingStatus::Serving, ServingStatus::NotServing] {
        eventually("the database's health", SOON, async || {
            shop.admin_health("database").await.ok().filter(|status| *status == wanted)
        })
        .await?;
        gate.close();
    }

    assert_eq!(shop.health("").await?, ServingStatus::Serving);
    assert_eq!(raw::get(shop.admin, "/readyz").await?.0, "HTTP/1.1 200 OK");
    shop.stopped().await
}

#[tokio::test]
async fn a_token_that_was_revoked_before_the_start_is_refused() -> Result<()> {
    let grounds = Grounds::new().await?;
    let user = UserId::new();
    let changed = AccessChanged { user_id: user.to_string(), least_version: 1 };
    testkit::publish(&grounds.broker, &user.to_string(), 1, &changed).await?;
    let shop = grounds.start(|_| {}).await?;
    shop.becomes(ServingStatus::Serving).await?;

    let token = shop.identity.token(user)?;
    let refused = shop.orders()?.get_order(as_user(&token, order("any"))?).await.unwrap_err();

    assert_eq!(refused.code(), Code::Unauthenticated);
    assert_eq!(refused.get_details_error_info().unwrap().reason, "SESSION_REVOKED");
    shop.stopped().await
}
