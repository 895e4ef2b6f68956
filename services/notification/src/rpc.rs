//! What callers may ask for: one file an RPC.

mod list_deliveries;

use proto::notification::v1 as wire;
use sea_orm::DatabaseConnection;
use server::wire::timestamp;
use tonic::{Request, Response, Status};

use crate::store::deliveries::{Delivery, State};

/// What the RPCs work with.
#[derive(Clone, Debug)]
pub(crate) struct Deliveries {
    pub(crate) db: DatabaseConnection,
}

#[tonic::async_trait]
impl wire::notification_service_server::NotificationService for Deliveries {
    async fn list_deliveries(
        &self,
        call: Request<wire::ListDeliveriesRequest>,
    ) -> Result<Response<wire::ListDeliveriesResponse>, Status> {
        Ok(Response::new(list_deliveries::list_deliveries(self, call.into_inner()).await?))
    }
}

impl From<Delivery> for wire::Delivery {
    fn from(delivery: Delivery) -> Self {
        let state = match delivery.state {
            State::Pending => wire::DeliveryState::Pending,
            State::Sent => wire::DeliveryState::Sent,
            State::Failed => wire::DeliveryState::Failed,
        };
        Self {
            delivery_id: delivery.id.to_string(),
            subject: delivery.subject,
            event_id: delivery.event.to_string(),
            user_id: delivery.user.to_string(),
            aggregate_id: delivery.aggregate_id,
            state: state.into(),
            attempts: delivery.attempts,
            last_error: delivery.last_error,
            create_time: Some(timestamp(delivery.created_at)),
            send_time: delivery.sent_at.map(timestamp),
        }
    }
}
