//! The notification service: e-mails about what happened.

mod clients;
mod config;
mod domain;
mod error;
mod events;
mod first_start;
mod mailer;
mod metrics;
mod retention;
mod rpc;
mod sender;
mod store;
mod together;

/// Readers of bytes that are nobody's business but this service's, and the fuzzer's.
#[doc(hidden)]
pub mod fuzzing {
    pub use crate::mailer::hand_over;
}

pub use config::{Config, Encryption, MailRelay, Outgoing};

use std::sync::Arc;

use proto::{
    identity::v1::UserRegistered,
    notification::v1::notification_service_server::NotificationServiceServer,
    order::v1::{OrderCancelled, OrderConfirmed, OrderShipped},
    payment::v1::PaymentRefunded,
};
use server::{Application, BuildError, Context, Service, SqlMigration};
use tokio::sync::Notify;

use crate::{
    clients::Identity,
    events::{Newsworthy, Tell},
    first_start::FirstStart,
    mailer::Mailer,
    rpc::Deliveries,
    sender::Sender,
    together::{Contacts, Sent},
};

/// The notification service.
#[derive(Clone, Copy, Debug)]
pub struct Notification;

#[tonic::async_trait]
impl Application for Notification {
    const NAME: &'static str = "notification";
    const PORT: u16 = 50055;
    const MIGRATIONS: &'static [SqlMigration] = server::migrations!("0001_deliveries");
    type Config = Config;

    async fn build(config: Config, context: &Context) -> Result<Service, BuildError> {
        let db = &context.db;
        let mailer = Mailer::new(&config)?;
        let identity = context.client("identity", &config.identity_target);
        // Before anything is consumed, and before readiness: what happens from then on is told.
        let first_start = FirstStart::note(db, &context.nats).await;
        let wake = Arc::new(Notify::new());
        let sender = Sender {
            db: db.clone(),
            contacts: Contacts::spawn(Identity::new(identity.clone())),
            sent: Sent::spawn(db.clone()),
            mailer: Arc::new(mailer),
            from: config.mail_from,
            wake: wake.clone(),
            timeout: config.mail_timeout,
            retry: config.mail_retry,
            interval: config.sweep_interval,
        };
        let desk = Desk { context, first_start, wake };
        Ok(Service::new(Self::NAME, server::jwks(identity))
            .rpc(NotificationServiceServer::new(Deliveries { db: db.clone() }))
            .task("user_registered", desk.tell::<UserRegistered>())
            .task("order.confirmed", desk.tell::<OrderConfirmed>())
            .task("order.shipped", desk.tell::<OrderShipped>())
            .task("order.cancelled", desk.tell::<OrderCancelled>())
            .task("payment.refunded", desk.tell::<PaymentRefunded>())
            .task("retention", retention::run(db.clone(), context.stop.clone()))
            .task("sender", sender.run(context.stop.clone())))
    }
}

/// What every consumer needs.
struct Desk<'a> {
    context: &'a Context,
    first_start: FirstStart,
    wake: Arc<Notify>,
}

impl Desk<'_> {
    fn tell<E: Newsworthy>(&self) -> impl Future<Output = ()> + Send + 'static + use<E> {
        self.context.consume(E::STREAM, Tell::<E>::new(self.first_start.clone(), self.wake.clone()))
    }
}
