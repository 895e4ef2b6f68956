//! What no user asks for: keys whose time is up, events that cannot be handled or published.

use anyhow::{Context, Result};
use proto::events::v1::{DeadLetterState, DiscardRequest, ListRequest, ReplayRequest};
use sqlx::{AssertSqlSafe, Connection, PgConnection, query, query_as, query_scalar};
use system_tests::Service;
use testkit::eventually;
use tonic::{Request, Status};
use uuid::Uuid;
use values::{AddressId, EventId, OrderId, UserId};

use super::scene::{SOON, Scene, told};

/// What each start finds to do: a key whose time is up, shops of which nobody was told.
pub(crate) async fn is_to_be_done_at_a_start(scene: &Scene<'_>) -> Result<()> {
    let age = "UPDATE signing_keys SET active_at = now() - interval '10 years'
        WHERE active_at > now() - interval '1 year' AND active_at <= now()";
    scene.shop.database(Service::Identity)?.execute(age).await?;
    let unannounced = "UPDATE shops SET is_unannounced = true";
    scene.shop.database(Service::Inventory)?.execute(unannounced).await
}

/// As [`is_to_be_done_at_a_start`], while nobody asks for a key: one that was asked for, and signs later, would do.
pub(crate) async fn is_certainly_to_be_done_at_a_start(scene: &Scene<'_>) -> Result<()> {
    let asked_for = "DELETE FROM signing_keys WHERE active_at > now()";
    scene.shop.database(Service::Identity)?.execute(asked_for).await?;
    is_to_be_done_at_a_start(scene).await
}

/// An event cannot be handled for a while, since what it leads to cannot be written.
pub(crate) async fn fails_for_a_while(scene: &Scene<'_>) -> Result<()> {
    let database = scene.shop.database(Service::Notification)?;
    database.execute("ALTER TABLE deliveries ADD CONSTRAINT broken CHECK (false) NOT VALID").await?;
    let broken = async {
        let customer = scene.shop.customer(0).await?;
        let noted = "SELECT count(*) FROM delivery_attempts WHERE last_error IS NOT NULL";
        scene.counts(Service::Notification, noted, |count| count > 0).await?;
        anyhow::Ok(customer.email)
    };
    let email = broken.await;
    database.execute("ALTER TABLE deliveries DROP CONSTRAINT broken").await?;
    let email = email?;
    eventually("the mail comes after all", SOON, async || {
        (!scene.shop.mailbox.letters_to(&email).is_empty()).then_some(())
    })
    .await
}

/// An event that nobody can read is given up and put aside; one that was given up though it was handled is closed.
pub(crate) async fn is_given_up(scene: &Scene<'_>) -> Result<()> {
    let unreadable = scene.publish(Service::Inventory, "bookstore.inventory.v1.shop_member_changed").await?;
    let letter = scene.dead_letter(Service::Order, unreadable).await?;
    let discard = async |request: Request<DiscardRequest>| {
        scene.clients.dead_letters().discard(of(Service::Order, request)?).await
    };
    let discarded = told(&scene.admin, DiscardRequest { dead_letter_id: letter }, discard).await?;
    assert_eq!(discarded.state(), DeadLetterState::Discarded);

    let customer = scene.shop.customer(2_000).await?;
    let order: OrderId = scene.confirmed(&customer, 1).await?.parse()?;
    let handled = scene.bury(order).await?;
    let letter = scene.dead_letter(Service::Payment, handled).await?;
    let replay = async |request: Request<ReplayRequest>| {
        scene.clients.dead_letters().replay(of(Service::Payment, request)?).await
    };
    let replayed = told(&scene.admin, ReplayRequest { dead_letter_id: letter }, replay).await?;
    assert_eq!(replayed.state(), DeadLetterState::Replayed);
    customer.balance_becomes(1_000).await
}

/// The broker refuses an event for good.
pub(crate) async fn is_refused(scene: &Scene<'_>) -> Result<()> {
    let event = scene.publish(Service::Order, "bookstore.elsewhere.v1.happened").await?;
    let refused = format!("SELECT count(*) FROM outbox WHERE event_id = '{event}' AND refused IS NOT NULL");
    scene.counts(Service::Order, &refused, |count| count == 1).await?;
    let delete = format!("DELETE FROM outbox WHERE event_id = '{event}'");
    scene.shop.database(Service::Order)?.execute(&delete).await
}

/// Identity fails over an address that order is to read anew.
pub(crate) async fn cannot_be_read(scene: &Scene<'_>) -> Result<()> {
    let customer = scene.shop.customer(2_000).await?;
    scene.confirmed(&customer, 1).await?;
    let (address, user): (AddressId, UserId) = (customer.address_id.parse()?, customer.user_id.parse()?);
    let (identity, order) = (scene.shop.database(Service::Identity)?, scene.shop.database(Service::Order)?);
    // After an answer it is asked for once more, much later.
    let waiting =
        format!("SELECT count(*) FROM refreshes WHERE subject = '{}' AND NOT is_repeat", address.uuid());
    identity.execute("ALTER TABLE addresses RENAME TO addresses_elsewhere").await?;
    let asked = async {
        let ask = format!(
            "INSERT INTO refreshes (subject, kind, user_id) VALUES ('{}', 'ADDRESS', '{}')",
            address.uuid(),
            user.uuid()
        );
        order.execute(&ask).await?;
        let postponed = format!("{waiting} AND due_at > now() + interval '1 s'");
        scene.counts(Service::Order, &postponed, |count| count == 1).await
    };
    let asked = asked.await;
    identity.execute("ALTER TABLE addresses_elsewhere RENAME TO addresses").await?;
    asked?;
    order.execute("UPDATE refreshes SET due_at = now() WHERE NOT is_repeat").await?;
    scene.counts(Service::Order, &waiting, |count| count == 0).await
}

/// What all services have by one name, of this one.
fn of<T>(service: Service, mut request: Request<T>) -> Result<Request<T>, Status> {
    let name = service.name().parse().map_err(|_| Status::aborted("no header value"))?;
    request.metadata_mut().insert("bookstore-service", name);
    Ok(request)
}

impl Scene<'_> {
    /// Waits until a database says so.
    async fn counts(&self, service: Service, sql: &str, is_so: impl Fn(i64) -> bool) -> Result<()> {
        let mut database = PgConnection::connect(self.shop.database(service)?.url()).await?;
        eventually(sql, SOON, async || {
            let count: i64 = query_scalar(AssertSqlSafe(sql)).fetch_one(&mut database).await.ok()?;
            is_so(count).then_some(())
        })
        .await
    }

    /// Has a service publish an event that nobody can read.
    async fn publish(&self, service: Service, subject: &str) -> Result<Uuid> {
        let event = EventId::new().uuid();
        let mut database = PgConnection::connect(self.shop.database(service)?.url()).await?;
        query("INSERT INTO outbox (event_id, subject, aggregate_id, sequence, payload) VALUES ($1, $2, $3, 1, $4)")
            .bind(event)
            .bind(subject)
            .bind(&self.seller.shop_id)
            .bind(b"\xff".as_slice())
            .execute(&mut database)
            .await?;
        Ok(event)
    }

    /// Makes a dead letter for payment of an order's event, which payment has handled.
    async fn bury(&self, order: OrderId) -> Result<Uuid> {
        let mut database = PgConnection::connect(self.shop.database(Service::Order)?.url()).await?;
        let find = "SELECT event_id, payload FROM outbox WHERE event_id = (SELECT placed_event FROM orders WHERE id = $1)";
        let (event, payload): (Uuid, Vec<u8>) =
            query_as(find).bind(order.uuid()).fetch_one(&mut database).await?;
        let mut database = PgConnection::connect(self.shop.database(Service::Payment)?.url()).await?;
        let headers = serde_json::json!({
            "ce-id": [EventId::from_uuid(event).to_string()],
            "ce-subject": [order.to_string()],
            "ce-sequence": ["1"],
            "ce-time": ["2026-01-01T00:00:00Z"],
        });
        query(
            "INSERT INTO dead_letters (consumer, event_id, subject, headers, payload, error, attempts)
             VALUES ('payment_order_placed', $1, 'bookstore.order.v1.placed', $2, $3, 'given up too soon', 11)",
        )
        .bind(event)
        .bind(headers)
        .bind(payload)
        .execute(&mut database)
        .await?;
        Ok(event)
    }

    /// Waits until a service has given an event up.
    async fn dead_letter(&self, service: Service, event: Uuid) -> Result<String> {
        let id = EventId::from_uuid(event).to_string();
        eventually("a dead letter", SOON, async || {
            let request =
                of(service, self.admin.request(ListRequest { page_size: 200, ..Default::default() }).ok()?)
                    .ok()?;
            let letters = self.clients.dead_letters().list(request).await.ok()?.into_inner().dead_letters;
            letters.into_iter().find(|letter| letter.event_id == id).map(|letter| letter.dead_letter_id)
        })
        .await
        .context("it was not given up")
    }
}
