use auth::{Customer, Permission};
use proto::order::v1 as pb;

use super::{OrderService, wire::order_id};
use crate::{
    error::Error,
    store::{self, orders::Reach},
};

/// Reads an order of the caller with its history; with the permission `orders.read` anybody's.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field · `NOT_FOUND` no such order, or another user's
pub(super) async fn get_order(
    shop: &OrderService,
    caller: &Customer,
    wire: pb::GetOrderRequest,
) -> Result<pb::Order, Error> {
    let id = order_id(&wire.order_id)?;
    let order = store::orders::find_for(&shop.db, Reach::of(caller, Permission::ORDERS_READ), id).await?;
    let order = order.ok_or_else(|| Error::NoSuchOrder(id.to_string()))?;
    let history = store::orders::history(&shop.db, id).await?;
    // A step that was taken between the two reads is left to the next call.
    let history = history.into_iter().filter(|step| step.version <= order.status.version);
    Ok(pb::Order { history: history.map(Into::into).collect(), ..order.clone().into() })
}
