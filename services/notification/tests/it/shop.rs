//! A notification service of a test's own, with its neighbours: who knows addresses, who takes mails, and a broker to be
//! told things by.

use std::time::Duration;

use anyhow::{Context as _, Result};
use auth::Permission;
use notification::{Config, Notification};
use proto::{
    identity::v1::UserRegistered,
    notification::v1::{
        Delivery, DeliveryState, ListDeliveriesRequest, ListDeliveriesResponse,
        notification_service_client::NotificationServiceClient,
    },
    order::v1::OrderConfirmed,
};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, Statement};
use testkit::{Broker, Database, Letter, Mailbox, Running, TestIdentity, as_user, eventually};
use tonic::{Status, transport::Channel};
use values::{EventId, OrderId, UserId};

pub(crate) const SOON: Duration = Duration::from_secs(30);

pub(crate) struct Shop {
    pub(crate) broker: Broker,
    pub(crate) database: Database,
    pub(crate) db: DatabaseConnection,
    pub(crate) identity: TestIdentity,
    pub(crate) mailbox: Mailbox,
    pub(crate) config: Config,
    running: Option<Running>,
}

/// Somebody who has an address.
#[derive(Clone)]
pub(crate) struct Reader {
    pub(crate) user: UserId,
    pub(crate) email: String,
}

impl Shop {
    pub(crate) async fn open() -> Result<Self> {
        Self::open_with(|_| ()).await
    }

    pub(crate) async fn open_with(change: impl FnOnce(&mut Config)) -> Result<Self> {
        let mut shop = Self::closed().await?;
        change(&mut shop.config);
        shop.start().await?;
        Ok(shop)
    }

    /// All but the service itself.
    pub(crate) async fn closed() -> Result<Self> {
        let (database, broker) = (testkit::database::<Notification>().await?, Broker::start().await?);
        let (identity, mailbox) = (TestIdentity::start().await?, Mailbox::open()?);
        let server = testkit::config::<Notification>(&database, &broker)?;
        let mut config = Config::new(
            server,
            identity.target().parse()?,
            mailbox.url().parse()?,
            "The Bookstore <shop@bookstore.example>".parse()?,
        );
        config.mail_retry = Duration::from_millis(50);
        config.sweep_interval = Duration::from_millis(50);
        let db = database.connect().await?;
        Ok(Self { broker, database, db, identity, mailbox, config, running: None })
    }

    pub(crate) async fn start(&mut self) -> Result<()> {
        self.running = Some(self.replica().await?);
        Ok(())
    }

    pub(crate) async fn stop(&mut self) -> Result<()> {
        self.running.take().context("it doesn't run")?.stop().await
    }

    /// Another replica of the service, for as long as it is kept.
    pub(crate) async fn replica(&self) -> Result<Running> {
        testkit::running::<Notification>(self.config.clone()).await
    }

    pub(crate) fn reader(&self, name: &str) -> Reader {
        let user = UserId::new();
        let email = format!("{}@example.org", user.uuid().simple());
        self.identity.set_contact(user, &email, name);
        Reader { user, email }
    }

    pub(crate) async fn register(&self, reader: &Reader) -> Result<EventId> {
        let user_id = reader.user.to_string();
        testkit::publish(&self.broker, &user_id.clone(), 1, &UserRegistered { user_id }).await
    }

    pub(crate) async fn confirm(&self, reader: &Reader, order: OrderId) -> Result<EventId> {
        let event = EventId::new();
        self.confirm_as(event, reader, order).await?;
        Ok(event)
    }

    pub(crate) async fn confirm_as(&self, event: EventId, reader: &Reader, order: OrderId) -> Result<()> {
        let confirmed = OrderConfirmed { order_id: order.to_string(), user_id: reader.user.to_string() };
        testkit::publish_as(&self.broker, event, &confirmed.order_id, 2, &confirmed).await
    }

    /// Waits for the reader's first letters.
    pub(crate) async fn letters(&self, reader: &Reader, count: usize) -> Result<Vec<Letter>> {
        self.mailbox.received(&reader.email, count, SOON).await
    }

    fn client(&self) -> Result<NotificationServiceClient<Channel>> {
        let running = self.running.as_ref().context("it doesn't run")?;
        Ok(NotificationServiceClient::new(running.channel()?))
    }

    pub(crate) async fn list_as(
        &self,
        permissions: &[Permission],
        request: ListDeliveriesRequest,
    ) -> Result<Result<ListDeliveriesResponse, Status>> {
        let token = self.identity.token_with(UserId::new(), permissions)?;
        let answer = self.client()?.list_deliveries(as_user(&token, request)?).await;
        Ok(answer.map(tonic::Response::into_inner))
    }

    pub(crate) async fn list(&self, request: ListDeliveriesRequest) -> Result<ListDeliveriesResponse> {
        Ok(self.list_as(&[Permission::DELIVERIES_READ], request).await??)
    }

    /// What there is to tell a reader, the newest first.
    pub(crate) async fn deliveries(&self, reader: &Reader) -> Result<Vec<Delivery>> {
        let request = ListDeliveriesRequest { user_id: reader.user.to_string(), ..Default::default() };
        Ok(self.list(request).await?.deliveries)
    }

    /// Waits until the one delivery of a reader is as it should be.
    pub(crate) async fn delivery(
        &self,
        what: &str,
        reader: &Reader,
        is_so: impl Fn(&Delivery) -> bool,
    ) -> Result<Delivery> {
        eventually(what, SOON, async || {
            let deliveries = self.deliveries(reader).await.ok()?;
            deliveries.into_iter().next().filter(&is_so)
        })
        .await
    }

    pub(crate) async fn delivery_in(&self, state: DeliveryState, reader: &Reader) -> Result<Delivery> {
        self.delivery(state.as_str_name(), reader, |delivery| delivery.state() == state).await
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
    pub(crate) async fn count(&self, query: &str) -> Result<i64> {
        let row = self.db.query_one_raw(Statement::from_string(DbBackend::Postgres, query)).await?;
        Ok(row.context("no row")?.try_get_by_index(0)?)
    }

    /// All that the database holds, as text.
    pub(crate) async fn everything(&self) -> Result<String> {
        let read = "SELECT coalesce(string_agg(row_to_json(deliveries)::text, ' '), '') FROM deliveries";
        let row = self.db.query_one_raw(Statement::from_string(DbBackend::Postgres, read)).await?;
        Ok(row.context("no row")?.try_get_by_index(0)?)
    }
}
