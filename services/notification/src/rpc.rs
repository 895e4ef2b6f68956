//! What callers may ask for: one file an RPC.

use proto::notification::v1 as wire;
use sea_orm::DatabaseConnection;

/// What the RPCs work with.
#[derive(Clone, Debug)]
pub(crate) struct Deliveries {
    pub(crate) db: DatabaseConnection,
}

#[tonic::async_trait]
impl wire::notification_service_server::NotificationService for Deliveries {}
