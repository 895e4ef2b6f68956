#![expect(clippy::expect_used, reason = "what a test needs is there, or the test fails")]

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use anyhow::{Context, Result};
use auth::Permission;
use inventory::{Config, Inventory};
use proto::{
    inventory::v1::{self as pb, ReservationState, adjust_stock_request::Change},
    types::v1::Money,
};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use testkit::{Broker, Database, Running, TestIdentity, as_user};
use tonic::{Code, Request, Status, transport::Channel};
use tonic_types::StatusExt;
use values::UserId;

pub(crate) type Client = pb::inventory_service_client::InventoryServiceClient<Channel>;

/// How long something asynchronous may take before a test gives up.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A running inventory service with a database and a broker of its own.
pub(crate) struct Bookshop {
    pub(crate) database: Database,
    pub(crate) broker: Broker,
    db: DatabaseConnection,
    identity: TestIdentity,
    config: Config,
    replicas: Vec<Running>,
}

/// A signed-in user.
#[derive(Clone)]
pub(crate) struct User {
    pub(crate) id: UserId,
    token: String,
}

impl Bookshop {
    pub(crate) async fn open() -> Result<Self> {
        Self::open_with(|_| {}).await
    }

    /// With another configuration than the usual.
    pub(crate) async fn open_with(change: impl FnOnce(&mut Config)) -> Result<Self> {
        let database = testkit::database::<Inventory>().await?;
        let url = database.url().to_owned();
        Self::open_on(database, &url, change).await
    }

    /// On a database that the service reaches by another address than the test.
    pub(crate) async fn open_on(
        database: Database,
        url: &str,
        change: impl FnOnce(&mut Config),
    ) -> Result<Self> {
        let broker = Broker::start().await?;
        let identity = TestIdentity::start().await?;
        let mut config = Config {
            server: server::Config {
                database_url: url.into(),
                ..testkit::config::<Inventory>(&database, &broker)?
            },
            identity_target: identity.target().parse()?,
            reservation_ttl: Duration::from_mins(15),
            sweep_interval: Duration::from_millis(50),
        };
        change(&mut config);
        let replicas = vec![testkit::running::<Inventory>(config.clone()).await?];
        let db = database.connect().await?;
        Ok(Self { database, broker, db, identity, config, replicas })
    }

    /// Stops all replicas.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        for replica in self.replicas.drain(..) {
            replica.stop().await?;
        }
        Ok(())
    }

    /// Starts another replica on the same database and broker, and connects to it.
    pub(crate) async fn another_replica(&mut self) -> Result<Client> {
        let replica = testkit::running::<Inventory>(self.config.clone()).await?;
        let client = connect(&replica)?;
        self.replicas.push(replica);
        Ok(client)
    }

    /// Stops all replicas and starts one.
    pub(crate) async fn restart(&mut self) -> Result<()> {
        self.stop().await?;
        self.another_replica().await.map(drop)
    }

    pub(crate) fn client(&self) -> Result<Client> {
        connect(self.replicas.first().context("no replica")?)
    }

    /// As the gateway calls: for users only.
    pub(crate) fn gateway(&self) -> Result<Client> {
        Ok(Client::new(self.replicas.first().context("no replica")?.channel()?))
    }

    /// A user who may open shops.
    pub(crate) fn shop_owner(&self) -> Result<User> {
        self.user(&[Permission::SHOPS_REGISTER])
    }

    pub(crate) fn user(&self, permissions: &[Permission]) -> Result<User> {
        let id = UserId::new();
        Ok(User { id, token: self.identity.token_with(id, permissions)? })
    }

    /// A user with a shop.
    pub(crate) async fn owner(&self) -> Result<Owner> {
        let user = self.shop_owner()?;
        let mut client = self.client()?;
        let request = pb::RegisterShopRequest {
            request_id: unique("shop"),
            name: "Shakespeare and Company".to_owned(),
            city: "Paris".to_owned(),
        };
        let shop = client.register_shop(user.asks(request)?).await?.into_inner();
        Ok(Owner { user, shop, client })
    }

    /// One number.
    pub(crate) async fn number(&self, sql: &str) -> Result<i64> {
        let row = self.db.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await?;
        Ok(row.context("no row")?.try_get_by_index(0)?)
    }

    /// That what is on hand is the sum of the movements and what is reserved the sum of the open reservations.
    pub(crate) async fn assert_the_stock_adds_up(&self) -> Result<()> {
        anyhow::ensure!(
            self.number("SELECT count(*) FROM stock_discrepancies").await? == 0,
            "the stock doesn't add up"
        );
        let bad = "SELECT count(*) FROM stock WHERE reserved < 0 OR reserved > on_hand";
        anyhow::ensure!(self.number(bad).await? == 0, "stock is negative or oversold");
        Ok(())
    }
}

/// As order calls, which passes its users' tokens on.
fn connect(replica: &Running) -> Result<Client> {
    Ok(Client::new(replica.channel_as("order")?))
}

impl User {
    pub(crate) fn asks<T>(&self, message: T) -> Result<Request<T>> {
        as_user(&self.token, message)
    }
}

/// A user with a shop.
pub(crate) struct Owner {
    pub(crate) user: User,
    pub(crate) shop: pb::Shop,
    pub(crate) client: Client,
}

impl Owner {
    /// Offers a new book at 10 EUR.
    pub(crate) async fn sells(&mut self, copies: i32) -> Result<pb::Offer> {
        self.sells_for(copies, eur(1000)).await
    }

    pub(crate) async fn sells_for(&mut self, copies: i32, price: Money) -> Result<pb::Offer> {
        let book = self
            .adds(pb::AddBookRequest { initial_stock: copies, price: Some(price), ..self.emma() })
            .await?;
        book.offers.into_iter().next().context("no offer")
    }

    pub(crate) async fn adds(&mut self, request: pb::AddBookRequest) -> Result<pb::Book, Status> {
        let request = self.user.asks(request).map_err(|error| Status::internal(error.to_string()))?;
        Ok(self.client.add_book(request).await?.into_inner())
    }

    /// A book like any other, without an ISBN.
    pub(crate) fn emma(&self) -> pb::AddBookRequest {
        pb::AddBookRequest {
            request_id: unique("book"),
            shop_id: self.shop.shop_id.clone(),
            title: "Emma".to_owned(),
            authors: vec!["Jane Austen".to_owned()],
            price: Some(eur(1000)),
            ..Default::default()
        }
    }

    /// Asks another price.
    pub(crate) async fn reprices(&mut self, offer: &pb::Offer, minor_units: i64) -> Result<()> {
        let request = pb::UpdateBookRequest {
            offer_id: offer.offer_id.clone(),
            price: Some(eur(minor_units)),
            update_mask: Some(prost_types::FieldMask { paths: vec!["price".to_owned()] }),
            ..Default::default()
        };
        self.client.update_book(self.user.asks(request)?).await?;
        Ok(())
    }

    pub(crate) async fn adjusts(
        &mut self,
        offer: &pb::Offer,
        change: Change,
    ) -> Result<pb::StockLevel, Status> {
        let request = pb::AdjustStockRequest {
            request_id: unique("adjust"),
            offer_id: offer.offer_id.clone(),
            change: Some(change),
            ..Default::default()
        };
        let request = self.user.asks(request).map_err(|error| Status::internal(error.to_string()))?;
        Ok(self.client.adjust_stock(request).await?.into_inner())
    }

    /// The counts (on hand, reserved) of an offer in all locations together.
    pub(crate) async fn counts(&mut self, offer: &pb::Offer) -> Result<(i64, i64)> {
        let request = self.user.asks(pb::GetStockRequest { offer_id: offer.offer_id.clone() })?;
        let levels = self.client.get_stock(request).await?.into_inner().levels;
        Ok((levels.iter().map(|level| level.on_hand).sum(), levels.iter().map(|level| level.reserved).sum()))
    }
}

/// What the order service asks.
pub(crate) async fn reserve(
    client: &Client,
    key: &str,
    lines: &[(&pb::Offer, i32)],
) -> Result<pb::Reservation, Status> {
    let lines = lines
        .iter()
        .map(|(offer, quantity)| pb::Line { offer_id: offer.offer_id.clone(), quantity: *quantity })
        .collect();
    let request = pb::ReserveStockRequest { key: key.to_owned(), lines };
    Ok(client.clone().reserve_stock(request).await?.into_inner())
}

pub(crate) async fn commit(
    client: &Client,
    reservation: &pb::Reservation,
) -> Result<ReservationState, Status> {
    let request = pb::CommitReservationRequest { reservation_id: reservation.reservation_id.clone() };
    Ok(client.clone().commit_reservation(request).await?.into_inner().state())
}

pub(crate) async fn release(
    client: &Client,
    reservation: &pb::Reservation,
) -> Result<ReservationState, Status> {
    let request = pb::ReleaseReservationRequest { reservation_id: reservation.reservation_id.clone() };
    Ok(client.clone().release_reservation(request).await?.into_inner().state())
}

pub(crate) fn eur(minor_units: i64) -> Money {
    Money { minor_units, currency_code: "EUR".to_owned() }
}

/// A text that no other call uses.
pub(crate) fn unique(what: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{what}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Status code and reason of a refusal.
pub(crate) fn refusal<T: std::fmt::Debug>(answer: Result<T, Status>) -> (Code, String) {
    let status = answer.expect_err("a refusal");
    let reason = status.get_details_error_info().map(|info| info.reason).unwrap_or_default();
    (status.code(), reason)
}

/// The fields that a `BadRequest` names.
pub(crate) fn wrong_fields<T: std::fmt::Debug>(answer: Result<T, Status>) -> Vec<String> {
    let status = answer.expect_err("a refusal");
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let details = status.get_details_bad_request().expect("a BadRequest");
    details.field_violations.into_iter().map(|violation| violation.field).collect()
}

/// Subjects and descriptions of a `PreconditionFailure`.
pub(crate) fn failed_preconditions<T: std::fmt::Debug>(answer: Result<T, Status>) -> Vec<(String, String)> {
    let status = answer.expect_err("a refusal");
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    let details = status.get_details_precondition_failure().expect("a PreconditionFailure");
    details.violations.into_iter().map(|violation| (violation.subject, violation.description)).collect()
}
