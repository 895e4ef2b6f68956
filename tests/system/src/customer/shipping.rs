use anyhow::{Context, Result};
use proto::order::v1::{
    OrderItem, RequestReturnRequest, ResolveReturnRequest, Return, Shipment, ShipmentState,
    UpdateOrderStatusRequest,
};
use tonic::Status;

use super::{Customer, new_request_id};
use crate::Book;

impl Customer {
    /// Tells where a shop's parcel is; says what the shop said.
    pub async fn try_move(
        &self,
        order_id: &str,
        shop_id: &str,
        state: ShipmentState,
    ) -> Result<Result<Shipment, Status>> {
        let tracking_number =
            if state == ShipmentState::Shipped { format!("track-{shop_id}") } else { String::new() };
        let request = UpdateOrderStatusRequest {
            request_id: new_request_id(),
            order_id: order_id.to_owned(),
            shop_id: shop_id.to_owned(),
            state: state.into(),
            tracking_number,
            ..Default::default()
        };
        self.ask(request, async |request| self.clients.order().update_order_status(request).await).await
    }

    /// Tells that a shop's parcel was sent, and that it has arrived.
    pub async fn deliver(&self, order_id: &str, shop_id: &str) -> Result<()> {
        for state in [ShipmentState::Shipped, ShipmentState::Delivered] {
            self.try_move(order_id, shop_id, state).await?.with_context(|| format!("{state:?}"))?;
        }
        Ok(())
    }

    /// Asks the one shop of an order to take copies of a book back.
    pub async fn try_return(
        &self,
        order_id: &str,
        book: &Book,
        quantity: i32,
    ) -> Result<Result<Return, Status>> {
        let request = RequestReturnRequest {
            request_id: new_request_id(),
            order_id: order_id.to_owned(),
            items: vec![OrderItem { offer_id: book.offer_id.clone(), quantity }],
            ..Default::default()
        };
        self.ask(request, async |request| self.clients.order().request_return(request).await).await
    }

    /// Says yes or no to a return.
    pub async fn resolve(&self, return_id: &str, accept: bool, restock: bool) -> Result<Return> {
        let request = ResolveReturnRequest {
            request_id: new_request_id(),
            return_id: return_id.to_owned(),
            accept,
            restock,
            answer: String::new(),
        };
        let call = async |request| self.clients.order().resolve_return(request).await;
        self.ask(request, call).await?.context("ResolveReturn")
    }
}
