//! An order service of a test's own, with its neighbours.

use std::time::Duration;

use anyhow::{Context as _, Result};
use async_nats::jetstream;
use order::Config;
use proto::{
    order::v1::{
        CancelOrderRequest, GetOrderRequest, Order, OrderItem, OrderState, OrderStatus, PaymentMethod,
        PaymentState, PlaceOrderRequest, WatchOrderRequest, order_service_client::OrderServiceClient,
    },
    payment::v1::{FailureReason, PaymentCaptured, PaymentFailed, PaymentRefunded},
    types::v1::Money,
};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, Statement};
use testkit::{Broker, Database, Gate, Running, TestIdentity, as_user, eventually};
use tonic::{Code, Status, Streaming, transport::Channel};
use values::{AddressId, EventId, OfferId, PaymentId, UserId};

use crate::inventory::TestInventory;

pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) type Client = OrderServiceClient<Channel>;

pub(crate) struct Shop {
    pub(crate) broker: Broker,
    pub(crate) db: DatabaseConnection,
    pub(crate) client: Client,
    pub(crate) inventory: TestInventory,
    pub(crate) identity: TestIdentity,
    config: Config,
    running: Running,
}

/// Somebody who is signed in and lives somewhere.
#[derive(Clone)]
pub(crate) struct Reader {
    pub(crate) user: UserId,
    pub(crate) token: String,
    pub(crate) address: AddressId,
}

/// What a test may want otherwise.
pub(crate) struct Setup {
    pub(crate) database: Database,
    /// Where the service reaches it.
    pub(crate) database_url: String,
    pub(crate) broker: Broker,
    /// As [`Self::database_url`].
    pub(crate) broker_url: String,
    pub(crate) payment_deadline: Duration,
    pub(crate) sweep_interval: Duration,
}

impl Setup {
    pub(crate) async fn new() -> Result<Self> {
        Self::on(testkit::database::<order::Order>().await?).await
    }

    pub(crate) async fn on(database: Database) -> Result<Self> {
        let database_url = database.url().to_owned();
        let broker = Broker::start().await?;
        make_payment_stream(&broker).await?;
        let broker_url = broker.url().to_owned();
        Ok(Self {
            database,
            database_url,
            broker,
            broker_url,
            payment_deadline: Duration::from_mins(2),
            sweep_interval: Duration::from_millis(100),
        })
    }
}

impl Shop {
    pub(crate) async fn open() -> Result<Self> {
        Self::open_with(Setup::new().await?).await
    }

    /// With a door before its database.
    pub(crate) async fn behind_a_gate() -> Result<(Self, Gate)> {
        let setup = Setup::new().await?;
        let (gate, through) = Gate::before(&setup.database_url).await?;
        Ok((Self::open_with(Setup { database_url: through, ..setup }).await?, gate))
    }

    pub(crate) async fn open_with(setup: Setup) -> Result<Self> {
        let broker = setup.broker;
        let identity = TestIdentity::start().await?;
        let inventory = TestInventory::start().await?;
        let mut server = testkit::config::<order::Order>(&setup.database, &broker)?;
        server.database_url = setup.database_url.into();
        server.nats_url = setup.broker_url.into();
        let config = Config {
            server,
            identity_target: identity.target().parse()?,
            inventory_target: inventory.target().parse()?,
            payment_deadline: setup.payment_deadline,
            sweep_interval: setup.sweep_interval,
        };
        let running = testkit::running::<order::Order>(config.clone()).await?;
        let client = Client::new(running.channel()?);
        let db = setup.database.connect().await?;
        Ok(Self { broker, db, client, inventory, identity, config, running })
    }

    /// Another replica of the service, on the same database and broker.
    pub(crate) async fn replica(&self) -> Result<(Running, Client)> {
        let running = testkit::running::<order::Order>(self.config.clone()).await?;
        let client = Client::new(running.channel()?);
        Ok((running, client))
    }

    /// Stops the service in good order; its neighbours stay.
    pub(crate) async fn stop(self) -> Result<()> {
        self.running.stop().await
    }

    pub(crate) fn reader(&self) -> Result<Reader> {
        let user = UserId::new();
        self.identity.set_contact(user, "ada@example.org", "Ada");
        Ok(Reader { user, token: self.identity.token(user)?, address: self.identity.add_address(user) })
    }

    pub(crate) fn another_address(&self, reader: &Reader) -> AddressId {
        self.identity.add_address(reader.user)
    }

    pub(crate) async fn place(&self, reader: &Reader, request: PlaceOrderRequest) -> Result<Answer<Order>> {
        let answer = self.client.clone().place_order(as_user(&reader.token, request)?).await;
        Ok(answer.map(tonic::Response::into_inner))
    }

    /// An order that waits for its payment. A busy machine may say that it should be asked for again, so it is.
    pub(crate) async fn pending(&self, reader: &Reader) -> Result<Order> {
        let request = request(reader);
        let answer = eventually("an order is placed", SOON, async || {
            let answer = self.place(reader, request.clone()).await;
            let is_busy = matches!(&answer, Ok(Err(status)) if status.code() == Code::Unavailable);
            (!is_busy).then_some(answer)
        });
        Ok(answer.await???)
    }

    /// Why an order cannot be placed.
    pub(crate) async fn pending_refused(&self, reader: &Reader) -> Result<Status> {
        self.place(reader, request(reader)).await?.err().context("placed")
    }

    /// An order that is paid and has its stock.
    pub(crate) async fn confirmed(&self, reader: &Reader) -> Result<Order> {
        let order = self.pending(reader).await?;
        self.capture(&order).await?;
        self.in_state(OrderState::Confirmed, reader, &order).await
    }

    pub(crate) async fn get(&self, reader: &Reader, order_id: &str) -> Result<Answer<Order>> {
        let request = GetOrderRequest { order_id: order_id.to_owned() };
        let answer = self.client.clone().get_order(as_user(&reader.token, request)?).await;
        Ok(answer.map(tonic::Response::into_inner))
    }

    /// Waits until the order is as it should be.
    pub(crate) async fn until(
        &self,
        what: &str,
        reader: &Reader,
        order: &Order,
        is_so: impl Fn(&Order) -> bool,
    ) -> Result<Order> {
        eventually(what, SOON, async || {
            self.get(reader, &order.order_id).await.ok()?.ok().filter(|order| is_so(order))
        })
        .await
    }

    pub(crate) async fn in_state(&self, state: OrderState, reader: &Reader, order: &Order) -> Result<Order> {
        self.until(state.as_str_name(), reader, order, |order| order.state() == state).await
    }

    pub(crate) async fn in_payment(
        &self,
        state: PaymentState,
        reader: &Reader,
        order: &Order,
    ) -> Result<Order> {
        self.until(state.as_str_name(), reader, order, |order| order.payment_state() == state).await
    }

    pub(crate) async fn cancel(
        &self,
        reader: &Reader,
        request_id: &str,
        order_id: &str,
    ) -> Result<Answer<Order>> {
        let request = CancelOrderRequest {
            request_id: request_id.to_owned(),
            order_id: order_id.to_owned(),
            note: "Found it on my shelf".to_owned(),
        };
        let answer = self.client.clone().cancel_order(as_user(&reader.token, request)?).await;
        Ok(answer.map(tonic::Response::into_inner))
    }

    pub(crate) async fn watch(&self, reader: &Reader, order: &Order) -> Result<Streaming<OrderStatus>> {
        watch(&self.client, reader, order).await
    }

    /// Tells the service that payment has taken the order's total.
    pub(crate) async fn capture(&self, order: &Order) -> Result<EventId> {
        let event = EventId::new();
        self.capture_as(event, &order.order_id).await?;
        Ok(event)
    }

    pub(crate) async fn capture_as(&self, event: EventId, order_id: &str) -> Result<()> {
        let payment_id = PaymentId::new().to_string();
        let captured =
            PaymentCaptured { payment_id: payment_id.clone(), order_id: order_id.to_owned(), amount: None };
        testkit::publish_as(&self.broker, event, &payment_id, 1, &captured).await
    }

    pub(crate) async fn fail(&self, order: &Order, reason: FailureReason) -> Result<EventId> {
        let payment_id = PaymentId::new().to_string();
        let order_id = order.order_id.clone();
        let failed = PaymentFailed { payment_id: payment_id.clone(), order_id, reason: reason.into() };
        testkit::publish(&self.broker, &payment_id, 1, &failed).await
    }

    /// Tells the service that payment has given all of the order's total back.
    pub(crate) async fn refund(&self, order: &Order) -> Result<EventId> {
        let total = order.total.as_ref().context("no total")?.minor_units;
        self.refund_up_to(order, total).await
    }

    /// Tells the service that payment has given so much back by now.
    pub(crate) async fn refund_up_to(&self, order: &Order, sum: i64) -> Result<EventId> {
        let payment_id = PaymentId::new().to_string();
        let order_id = order.order_id.clone();
        let refunded = PaymentRefunded {
            payment_id: payment_id.clone(),
            order_id,
            amount: Some(euros(sum)),
            user_id: order.user_id.clone(),
            refunded: Some(euros(sum)),
        };
        testkit::publish(&self.broker, &payment_id, 2, &refunded).await
    }

    /// Waits until the service has handled all of these events.
    pub(crate) async fn handled(&self, events: &[EventId]) -> Result<()> {
        let ids: Vec<_> = events.iter().map(|event| event.uuid()).collect();
        let count = "SELECT count(*) AS handled FROM inbox WHERE event_id = ANY($1)";
        eventually("events are handled", SOON, async || {
            let statement = Statement::from_sql_and_values(DbBackend::Postgres, count, [ids.clone().into()]);
            let row = self.db.query_one_raw(statement).await.ok()??;
            let handled: i64 = row.try_get("", "handled").ok()?;
            (usize::try_from(handled) == Ok(ids.len())).then_some(())
        })
        .await
    }

    /// Has the database break off every insert of an order, or no longer.
    pub(crate) async fn db_refuses_orders(&self, refuses: bool) -> Result<()> {
        let constraint = if refuses {
            "ALTER TABLE orders ADD CONSTRAINT closed CHECK (false) NOT VALID"
        } else {
            "ALTER TABLE orders DROP CONSTRAINT closed"
        };
        self.db.execute_unprepared(constraint).await?;
        Ok(())
    }

    /// As [`Self::db_refuses_orders`], for one reader's only.
    pub(crate) async fn db_refuses_orders_of(&self, reader: &Reader) -> Result<()> {
        let constraint = format!(
            "ALTER TABLE orders ADD CONSTRAINT unlucky CHECK (user_id <> '{}') NOT VALID",
            reader.user.uuid()
        );
        self.db.execute_unprepared(&constraint).await?;
        Ok(())
    }

    /// One number that the database computes.
    pub(crate) async fn number(&self, query: &str) -> Result<i64> {
        let row = self.db.query_one_raw(Statement::from_string(DbBackend::Postgres, query)).await?;
        Ok(row.context("no row")?.try_get_by_index(0)?)
    }
}

/// Makes the stream of payment as payment's relay would.
pub(crate) async fn make_payment_stream(broker: &Broker) -> Result<()> {
    let stream = jetstream::stream::Config {
        name: "PAYMENT".to_owned(),
        subjects: vec!["bookstore.payment.>".to_owned()],
        ..Default::default()
    };
    broker.jetstream().await?.get_or_create_stream(stream).await?;
    Ok(())
}

pub(crate) type Answer<T> = std::result::Result<T, Status>;

pub(crate) async fn watch(client: &Client, reader: &Reader, order: &Order) -> Result<Streaming<OrderStatus>> {
    let request = WatchOrderRequest { order_id: order.order_id.clone() };
    Ok(client.clone().watch_order(as_user(&reader.token, request)?).await?.into_inner())
}

/// Two books for the reader, under a request id of its own.
pub(crate) fn request(reader: &Reader) -> PlaceOrderRequest {
    PlaceOrderRequest {
        request_id: OfferId::new().to_string(),
        items: vec![item(2), item(1)],
        address_id: reader.address.to_string(),
        payment_method: PaymentMethod::Wallet.into(),
        card_id: String::new(),
    }
}

pub(crate) fn euros(minor_units: i64) -> Money {
    Money { minor_units, currency_code: "EUR".to_owned() }
}

pub(crate) fn item(quantity: i32) -> OrderItem {
    OrderItem { offer_id: OfferId::new().to_string(), quantity }
}
