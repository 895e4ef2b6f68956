use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use proto::{
    events::v1::ListRequest,
    identity::v1::{GrantRoleRequest, LogoutRequest, RevokeRoleRequest},
};
use system_tests::{Clients, Customer, Options, Replica, Service, Shop};
use testkit::eventually;
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// In which a token that was revoked is refused everywhere.
const EVERYWHERE: Duration = Duration::from_secs(1);
/// Who stops before a revocation and starts after it.
const LATECOMERS: [Replica; 5] = [
    Service::Identity.replica(1),
    Service::Inventory.replica(1),
    Service::Order.replica(1),
    Service::Payment.replica(1),
    Service::Notification.replica(1),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_ended_is_refused_everywhere_within_a_second() -> Result<()> {
    let shop = Shop::start_with(Options { replicas: 2, ..Default::default() }).await?;
    let desks = Desk::of_all(&shop).await?;
    for number in 0..2 {
        let customer = shop.customer(0).await?;
        refused_in_time(&desks, &customer, async || {
            let mut identity = shop.clients_as("gateway", Service::Identity.replica(number))?.identity();
            identity.logout(customer.request(LogoutRequest {})?).await?;
            Ok(())
        })
        .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_from_before_a_role_was_given_or_taken_is_refused_everywhere_within_a_second() -> Result<()> {
    let shop = Shop::start_with(Options { replicas: 2, ..Default::default() }).await?;
    let (desks, admin) = (Desk::of_all(&shop).await?, shop.admin().await?);
    let customer = shop.customer(0).await?;
    let (user_id, role) = (customer.user_id.clone(), "shop_owner".to_owned());
    let [mut first, mut second] = [
        shop.clients_as("gateway", Service::Identity.replica(0))?.identity(),
        shop.clients_as("gateway", Service::Identity.replica(1))?.identity(),
    ];

    let grant = GrantRoleRequest { user_id: user_id.clone(), role: role.clone() };
    refused_in_time(&desks, &customer, async || {
        first.grant_role(admin.request(grant.clone())?).await?;
        Ok(())
    })
    .await?;
    let customer = customer.signed_in_again().await?;
    let revoke = RevokeRoleRequest { user_id, role };
    refused_in_time(&desks, &customer, async || {
        second.revoke_role(admin.request(revoke.clone())?).await?;
        Ok(())
    })
    .await?;
    let customer = customer.signed_in_again().await?;
    try_join_all(desks.iter().map(|desk| desk.accepts(&customer))).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_starts_later_knows_what_was_revoked_before() -> Result<()> {
    let shop = Shop::start_with(Options { replicas: 2, ..Default::default() }).await?;
    let admin = shop.admin().await?;
    let (gone, promoted, present) =
        (shop.customer(0).await?, shop.customer(0).await?, shop.customer(0).await?);
    for replica in LATECOMERS {
        shop.stop_one(replica).await?;
    }
    let mut identity = shop.clients_as("gateway", Service::Identity)?.identity();
    identity.logout(gone.request(LogoutRequest {})?).await?;
    admin.grant(&promoted.user_id, "shop_owner").await?;
    // Who starts later knows what was told before, and this was.
    let present_desk = Desk::of(&shop, Service::Inventory.replica(0))?;
    for revoked in [&gone, &promoted] {
        eventually("a present replica refuses the token", 10 * EVERYWHERE, async || {
            present_desk.refuses(revoked).await.ok()?.then_some(())
        })
        .await?;
    }

    for replica in LATECOMERS {
        shop.start_again(replica).await?;
        let desk = Desk::of(&shop, replica)?;
        // The first calls that it answers.
        for revoked in [&gone, &promoted] {
            ensure!(
                desk.refuses(revoked).await?,
                "{replica} accepts a token that was revoked before it started"
            );
        }
        desk.accepts(&present).await?;
    }
    Ok(())
}

/// Revokes a customer's token, which every replica accepts before and none a second later.
async fn refused_in_time(
    desks: &[Desk],
    customer: &Customer,
    revoke: impl AsyncFnOnce() -> Result<()>,
) -> Result<()> {
    try_join_all(desks.iter().map(|desk| desk.accepts(customer))).await?;
    revoke().await?;
    let revoked = Instant::now();
    let times = try_join_all(desks.iter().map(async |desk| {
        let what = format!("{} refuses the token", desk.replica);
        // Longer than it may take, to tell how long it took.
        eventually(&what, 10 * EVERYWHERE, async || match desk.refuses(customer).await {
            Ok(true) => Some(Ok(revoked.elapsed())),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        })
        .await?
    }))
    .await?;
    for (desk, time) in desks.iter().zip(times) {
        ensure!(time < EVERYWHERE, "{} took {time:.1?} to refuse it", desk.replica);
        ensure!(desk.refuses(customer).await?, "{} accepts it again", desk.replica);
    }
    Ok(())
}

/// Where a replica is asked, as the gateway asks it.
struct Desk {
    replica: Replica,
    clients: Clients,
}

impl Desk {
    fn of(shop: &Shop, replica: Replica) -> Result<Self> {
        Ok(Self { replica, clients: shop.clients_as("gateway", replica)? })
    }

    /// Every replica's with a database.
    async fn of_all(shop: &Shop) -> Result<Vec<Self>> {
        let replicas = shop.replicas().await.into_iter();
        let replicas = replicas.filter(|replica| Service::WITH_DATABASE.contains(&replica.service));
        replicas.map(|replica| Self::of(shop, replica)).collect()
    }

    /// Every service has dead letters, which are not for customers: who is signed in learns that.
    async fn answer(&self, customer: &Customer) -> Result<Status> {
        let request = customer.request(ListRequest::default())?;
        let answer = self.clients.dead_letters().list(request).await;
        answer.err().with_context(|| format!("{} shows a customer its dead letters", self.replica))
    }

    async fn refuses(&self, customer: &Customer) -> Result<bool> {
        let answer = self.answer(customer).await?;
        match answer.code() {
            Code::PermissionDenied => Ok(false),
            Code::Unauthenticated => {
                let details = answer.get_details_error_info().context("no ErrorInfo")?;
                ensure!(details.reason == "SESSION_REVOKED", "{answer:?}");
                Ok(true)
            }
            _ => Err(answer.into()),
        }
    }

    async fn accepts(&self, customer: &Customer) -> Result<()> {
        ensure!(!self.refuses(customer).await?, "{} refuses a good token", self.replica);
        Ok(())
    }
}
