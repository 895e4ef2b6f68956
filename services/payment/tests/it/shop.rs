//! A payment service of a test's own, with its neighbours: tokens that it believes and a broker to be told things by.

use std::time::Duration;

use anyhow::{Context as _, Result};
use auth::Permission;
use payment::{Cards, Config, Payment};
use proto::{
    identity::v1::{UserDeleted, UserRegistered},
    order::v1::{CancelReason, OrderCancelled, OrderPlaced, OrderReturned, PaymentMethod},
    payment::v1::{
        self as wire, AddCardRequest, Card, GetBalanceRequest, GetPaymentRequest, LedgerEntry,
        ListLedgerEntriesRequest, PaymentState, Refund, RefundPaymentRequest, TopUpRequest, WithdrawRequest,
        Withdrawal, get_payment_request::Payment as Asked, payment_service_client::PaymentServiceClient,
    },
    types::v1::Money,
};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, Statement};
use testkit::{Broker, Database, Running, TestIdentity, as_user, eventually};
use tonic::{Status, transport::Channel};
use values::{EventId, OrderId, ReservationId, ReturnId, UserId};

pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) struct Shop {
    pub(crate) broker: Broker,
    pub(crate) database: Database,
    pub(crate) db: DatabaseConnection,
    pub(crate) client: PaymentServiceClient<Channel>,
    identity: TestIdentity,
    config: Config,
    running: Option<Running>,
}

/// Somebody who is signed in.
#[derive(Clone)]
pub(crate) struct Reader {
    pub(crate) user: UserId,
    pub(crate) token: String,
}

pub(crate) fn euros(minor_units: i64) -> Money {
    Money { minor_units, currency_code: "EUR".to_owned() }
}

impl Shop {
    pub(crate) async fn open() -> Result<Self> {
        Self::open_on(testkit::database::<Payment>().await?, str::to_owned).await
    }

    /// A service that waits so long for its card gateway, and as long before it asks again.
    pub(crate) async fn open_with_patience(patience: Duration) -> Result<Self> {
        let cards = Cards { card_patience: patience, card_pause: patience };
        Self::open_as(testkit::database::<Payment>().await?, str::to_owned, cards).await
    }

    /// A service that reaches its database under another address than the test does.
    pub(crate) async fn open_on(database: Database, reached_at: impl Fn(&str) -> String) -> Result<Self> {
        // A gateway that answers does so in time, however busy the machine is.
        let cards = Cards { card_patience: SOON, ..Cards::default() };
        Self::open_as(database, reached_at, cards).await
    }

    async fn open_as(database: Database, reached_at: impl Fn(&str) -> String, cards: Cards) -> Result<Self> {
        let broker = Broker::start().await?;
        let identity = TestIdentity::start().await?;
        let config = Config {
            server: server::Config {
                database_url: reached_at(database.url()).into(),
                ..testkit::config::<Payment>(&database, &broker)?
            },
            identity_target: identity.target().parse()?,
            currency: "EUR".parse()?,
            cards,
        };
        let running = testkit::running::<Payment>(config.clone()).await?;
        let channel = running.channel()?;
        let db = database.connect().await?;
        Ok(Self {
            broker,
            database,
            db,
            client: PaymentServiceClient::new(channel),
            identity,
            config,
            running: Some(running),
        })
    }

    /// Another replica of the service, for as long as it is kept.
    pub(crate) async fn replica(&self) -> Result<Running> {
        testkit::running::<Payment>(self.config.clone()).await
    }

    /// Stops the service; what it left behind is for a replica.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        self.running.take().context("it was stopped before")?.stop().await
    }

    pub(crate) fn reader(&self) -> Result<Reader> {
        let user = UserId::new();
        Ok(Reader { user, token: self.identity.token(user)? })
    }

    /// Somebody who may do these things and nothing else.
    pub(crate) fn staff(&self, permissions: &[Permission]) -> Result<Reader> {
        let user = UserId::new();
        Ok(Reader { user, token: self.identity.token_with(user, permissions)? })
    }

    /// A reader whose wallet holds so much.
    pub(crate) async fn reader_with(&self, minor_units: i64) -> Result<Reader> {
        let reader = self.reader()?;
        // A shop of little patience may not hear its gateway at once.
        eventually("the wallet is filled", SOON, async || {
            self.top_up(&reader, "first", euros(minor_units)).await.ok()?.ok()
        })
        .await?;
        Ok(reader)
    }

    pub(crate) async fn top_up(
        &self,
        reader: &Reader,
        request_id: &str,
        amount: Money,
    ) -> Result<Result<LedgerEntry, Status>> {
        if let Err(refused) = self.add_card(reader, "tok_visa").await? {
            return Ok(Err(refused));
        }
        self.top_up_by(reader, request_id, amount, "").await
    }

    /// A top-up by this card of the reader's; by the newest if it is none.
    pub(crate) async fn top_up_by(
        &self,
        reader: &Reader,
        request_id: &str,
        amount: Money,
        card_id: &str,
    ) -> Result<Result<LedgerEntry, Status>> {
        let request = TopUpRequest {
            request_id: request_id.to_owned(),
            amount: Some(amount),
            card_id: card_id.to_owned(),
        };
        let answer = self.client.clone().top_up(as_user(&reader.token, request)?).await;
        Ok(answer.map(tonic::Response::into_inner))
    }

    /// Adds a card, the same one each time.
    pub(crate) async fn add_card(&self, reader: &Reader, token: &str) -> Result<Result<Card, Status>> {
        let request = AddCardRequest { request_id: token.to_owned(), token: token.to_owned() };
        let answer = self.client.clone().add_card(as_user(&reader.token, request)?).await;
        Ok(answer.map(tonic::Response::into_inner))
    }

    pub(crate) async fn withdraw(
        &self,
        reader: &Reader,
        request_id: &str,
        minor_units: i64,
        card_id: &str,
    ) -> Result<Result<Withdrawal, Status>> {
        let request = WithdrawRequest {
            request_id: request_id.to_owned(),
            amount: Some(euros(minor_units)),
            card_id: card_id.to_owned(),
        };
        let answer = self.client.clone().withdraw(as_user(&reader.token, request)?).await;
        Ok(answer.map(tonic::Response::into_inner))
    }

    /// Gives back so much, or all that is left.
    pub(crate) async fn refund(
        &self,
        staff: &Reader,
        request_id: &str,
        payment: &wire::Payment,
        minor_units: Option<i64>,
    ) -> Result<Result<Refund, Status>> {
        let request = RefundPaymentRequest {
            request_id: request_id.to_owned(),
            payment_id: payment.payment_id.clone(),
            amount: minor_units.map(euros),
            note: "a torn page".to_owned(),
        };
        let answer = self.client.clone().refund_payment(as_user(&staff.token, request)?).await;
        Ok(answer.map(tonic::Response::into_inner))
    }

    pub(crate) async fn balance(&self, reader: &Reader) -> Result<i64> {
        let request = as_user(&reader.token, GetBalanceRequest::default())?;
        let balance = self.client.clone().get_balance(request).await?.into_inner().balance;
        Ok(balance.context("no balance")?.minor_units)
    }

    pub(crate) async fn entries(&self, reader: &Reader) -> Result<Vec<LedgerEntry>> {
        let request = ListLedgerEntriesRequest { page_size: 200, ..ListLedgerEntriesRequest::default() };
        let page = self.client.clone().list_ledger_entries(as_user(&reader.token, request)?).await?;
        Ok(page.into_inner().entries)
    }

    pub(crate) async fn payment(
        &self,
        reader: &Reader,
        order: OrderId,
    ) -> Result<Result<wire::Payment, Status>> {
        let request = GetPaymentRequest { payment: Some(Asked::OrderId(order.to_string())) };
        let answer = self.client.clone().get_payment(as_user(&reader.token, request)?).await;
        Ok(answer.map(tonic::Response::into_inner))
    }

    /// Waits until the payment of an order has come to this state.
    pub(crate) async fn payment_in(
        &self,
        state: PaymentState,
        reader: &Reader,
        order: OrderId,
    ) -> Result<wire::Payment> {
        eventually(&format!("payment {}", state.as_str_name()), SOON, async || {
            let payment = self.payment(reader, order).await.ok()?.ok()?;
            (payment.state() == state).then_some(payment)
        })
        .await
    }

    pub(crate) async fn place(&self, reader: &Reader, minor_units: i64) -> Result<OrderId> {
        let order = OrderId::new();
        self.place_as(EventId::new(), order, reader, minor_units).await?;
        Ok(order)
    }

    pub(crate) async fn place_as(
        &self,
        event: EventId,
        order: OrderId,
        reader: &Reader,
        minor_units: i64,
    ) -> Result<()> {
        let placed = OrderPlaced {
            order_id: order.to_string(),
            user_id: reader.user.to_string(),
            total: Some(euros(minor_units)),
            payment_method: PaymentMethod::Wallet.into(),
            card_id: String::new(),
        };
        testkit::publish_as(&self.broker, event, &placed.order_id, 1, &placed).await
    }

    /// An order that this card of the reader's is to pay.
    pub(crate) async fn place_by(&self, card_id: &str, reader: &Reader, minor_units: i64) -> Result<OrderId> {
        let order = OrderId::new();
        self.place_by_as(EventId::new(), order, card_id, reader, minor_units).await?;
        Ok(order)
    }

    pub(crate) async fn place_by_as(
        &self,
        event: EventId,
        order: OrderId,
        card_id: &str,
        reader: &Reader,
        minor_units: i64,
    ) -> Result<()> {
        let placed = OrderPlaced {
            order_id: order.to_string(),
            user_id: reader.user.to_string(),
            total: Some(euros(minor_units)),
            payment_method: PaymentMethod::Card.into(),
            card_id: card_id.to_owned(),
        };
        testkit::publish_as(&self.broker, event, &placed.order_id, 1, &placed).await
    }

    /// Books for so much have come back.
    pub(crate) async fn returned(
        &self,
        id: ReturnId,
        reader: &Reader,
        order: OrderId,
        minor_units: i64,
    ) -> Result<EventId> {
        let event = OrderReturned {
            return_id: id.to_string(),
            order_id: order.to_string(),
            user_id: reader.user.to_string(),
            reservation_id: ReservationId::new().to_string(),
            amount: Some(euros(minor_units)),
            ..OrderReturned::default()
        };
        testkit::publish(&self.broker, &event.return_id, 1, &event).await
    }

    pub(crate) async fn cancel(&self, reader: &Reader, order: OrderId) -> Result<EventId> {
        let event = EventId::new();
        self.cancel_as(event, reader, order).await?;
        Ok(event)
    }

    pub(crate) async fn cancel_as(&self, event: EventId, reader: &Reader, order: OrderId) -> Result<()> {
        let cancelled = OrderCancelled {
            order_id: order.to_string(),
            user_id: reader.user.to_string(),
            reservation_id: ReservationId::new().to_string(),
            reason: CancelReason::CustomerRequest.into(),
        };
        testkit::publish_as(&self.broker, event, &cancelled.order_id, 2, &cancelled).await
    }

    pub(crate) async fn register(&self, reader: &Reader) -> Result<EventId> {
        let user_id = reader.user.to_string();
        testkit::publish(&self.broker, &user_id.clone(), 1, &UserRegistered { user_id }).await
    }

    pub(crate) async fn delete(&self, reader: &Reader) -> Result<EventId> {
        let user_id = reader.user.to_string();
        testkit::publish(&self.broker, &user_id.clone(), 2, &UserDeleted { user_id }).await
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

    /// One number that the database computes.
    pub(crate) async fn number(&self, query: &str) -> Result<i64> {
        let row = self.db.query_one_raw(Statement::from_string(DbBackend::Postgres, query)).await?;
        Ok(row.context("no row")?.try_get_by_index(0)?)
    }

    /// What the database says to a statement that it must refuse.
    pub(crate) async fn refusal(&self, statement: &str) -> Result<String> {
        let refused = self.db.execute_unprepared(statement).await;
        Ok(refused.err().with_context(|| format!("the database took: {statement}"))?.to_string())
    }
}
