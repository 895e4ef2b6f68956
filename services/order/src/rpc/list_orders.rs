use proto::order::v1 as pb;
use values::{OrderId, UserId, Violations, page};

use super::{
    OrderService,
    wire::{
        self,
        states::{payment_filter, reason_filter, state_filter, stock_filter},
    },
};
use crate::{
    error::Error,
    store::search::{self, Search},
};

/// Lists everybody's orders, the newest first, without their histories and without names and streets.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field
pub(super) async fn list_orders(
    shop: &OrderService,
    wire: pb::ListOrdersRequest,
) -> Result<pb::ListOrdersResponse, Error> {
    let scope = format!(
        "ListOrders state={} reason={} payment={} stock={} user={}",
        wire.state, wire.cancel_reason, wire.payment_state, wire.stock_state, wire.user_id
    );
    let mut violations = Violations::new();
    let user: Option<UserId> = wire::optional(&mut violations, "user_id", &wire.user_id);
    let state = wire::filter(&mut violations, "state", wire.state, state_filter);
    let reason = wire::filter(&mut violations, "cancel_reason", wire.cancel_reason, reason_filter);
    let payment = wire::filter(&mut violations, "payment_state", wire.payment_state, payment_filter);
    let stock = wire::filter(&mut violations, "stock_state", wire.stock_state, stock_filter);
    let size = violations.take("page_size", page::PageSize::parse(wire.page_size));
    let before = violations.take("page_token", page::decode::<OrderId>(&scope, &wire.page_token));
    let search = Search { user, state, reason, payment, stock };
    let (size, before) = violations.finish(size.zip(before))?;

    let mut orders = search::page(&shop.db, &search, before, size).await?;
    let size = usize::try_from(size.get()).unwrap_or(usize::MAX);
    let has_more = orders.len() > size;
    orders.truncate(size);
    let next_page_token = match orders.last() {
        Some(last) if has_more => page::encode(&scope, &last.status.id),
        _ => String::new(),
    };
    let orders = orders.into_iter().map(pb::Order::from).map(without_names_and_streets).collect();
    Ok(pb::ListOrdersResponse { orders, next_page_token })
}

fn without_names_and_streets(order: pb::Order) -> pb::Order {
    let shipping_address = order.shipping_address.map(|address| pb::ShippingAddress {
        recipient: String::new(),
        lines: vec![],
        postal_code: String::new(),
        ..address
    });
    pb::Order { customer_name: String::new(), shipping_address, ..order }
}
