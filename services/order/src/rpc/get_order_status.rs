use auth::{Customer, Permission};
use proto::order::v1 as pb;

use super::{OrderService, wire::order_id};
use crate::{
    error::Error,
    store::{self, orders::Reach},
};

/// Reads where an order of the caller stands; with the permission `orders.read` anybody's.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field · `NOT_FOUND` no such order, or another user's
pub(super) async fn get_order_status(
    shop: &OrderService,
    caller: &Customer,
    wire: pb::GetOrderStatusRequest,
) -> Result<pb::OrderStatus, Error> {
    let id = order_id(&wire.order_id)?;
    let status = store::orders::status_for(&shop.db, Reach::of(caller, Permission::ORDERS_READ), id).await?;
    Ok(status.ok_or_else(|| Error::NoSuchOrder(id.to_string()))?.into())
}
