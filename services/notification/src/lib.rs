//! The notification service: e-mails about what happened.

mod config;
mod rpc;

pub use config::{Config, Encryption, MailRelay};

use proto::notification::v1::notification_service_server::NotificationServiceServer;
use server::{Application, BuildError, Context, Service, SqlMigration};

use crate::rpc::Deliveries;

/// The notification service.
#[derive(Clone, Copy, Debug)]
pub struct Notification;

impl Application for Notification {
    const NAME: &'static str = "notification";
    const PORT: u16 = 50055;
    const MIGRATIONS: &'static [SqlMigration] = server::migrations!("0001_deliveries");
    type Config = Config;

    async fn build(config: Config, context: &Context) -> Result<Service, BuildError> {
        let identity = context.client("identity", &config.identity_target);
        let rpc = Deliveries { db: context.db.clone() };
        Ok(Service::new(Self::NAME, server::jwks(identity)).rpc(NotificationServiceServer::new(rpc)))
    }
}
