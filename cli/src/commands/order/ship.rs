//! `order ship|deliver`: what booksellers tell of their parcels.

use clap::Args;
use proto::order::v1::{ShipmentState, UpdateOrderStatusRequest};

use crate::{
    commands::shop::shipments, failure::Failure, gateway::Gateway, output::Output, request::RequestId,
    session::Session,
};

#[derive(Args)]
#[command(
    after_long_help = "Example:\n  bookstore order ship ord_… --tracking 00340434161094042557 --carrier DHL"
)]
pub(crate) struct Ship {
    #[command(flatten)]
    parcel: Parcel,
    /// The number by which the carrier knows the parcel
    #[arg(long)]
    tracking: String,
    /// Who carries it
    #[arg(long, default_value = "")]
    carrier: String,
}

#[derive(Args)]
#[command(after_long_help = "Example:\n  bookstore order deliver ord_…")]
pub(crate) struct Deliver {
    #[command(flatten)]
    parcel: Parcel,
}

/// What one shop sends of an order.
#[derive(Args)]
struct Parcel {
    /// Which order: ord_…
    order: String,
    /// Whose part of it, shp_…; needed only by those who have a hand in several
    #[arg(long, default_value = "")]
    shop: String,
    /// For the order's history
    #[arg(long, default_value = "")]
    note: String,
    #[command(flatten)]
    request_id: RequestId,
}

impl Ship {
    pub(crate) async fn run(
        self,
        at: &Gateway,
        session: &Session<'_>,
        output: &Output,
    ) -> Result<(), Failure> {
        let told = UpdateOrderStatusRequest {
            state: ShipmentState::Shipped.into(),
            tracking_number: self.tracking,
            carrier: self.carrier,
            ..UpdateOrderStatusRequest::default()
        };
        self.parcel.tell(at, session, output, told).await
    }
}

impl Deliver {
    pub(crate) async fn run(
        self,
        at: &Gateway,
        session: &Session<'_>,
        output: &Output,
    ) -> Result<(), Failure> {
        let told = UpdateOrderStatusRequest {
            state: ShipmentState::Delivered.into(),
            ..UpdateOrderStatusRequest::default()
        };
        self.parcel.tell(at, session, output, told).await
    }
}

impl Parcel {
    async fn tell(
        self,
        at: &Gateway,
        session: &Session<'_>,
        output: &Output,
        told: UpdateOrderStatusRequest,
    ) -> Result<(), Failure> {
        let request_id = self.request_id.or_new();
        let wanted = UpdateOrderStatusRequest {
            request_id: request_id.clone(),
            order_id: self.order,
            shop_id: self.shop,
            note: self.note,
            ..told
        };
        let orders = at.order().await?;
        let shipment = session
            .change(&request_id, async || {
                orders.clone().update_order_status(session.sign(wanted.clone())).await
            })
            .await?;
        output.answer(&shipment, shipments::details);
        Ok(())
    }
}
