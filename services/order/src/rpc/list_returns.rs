use auth::{Customer, Permission};
use proto::order::v1 as pb;
use values::{OrderId, ReturnId, ShopId, Violations, page};

use super::{
    OrderService,
    list_shipments::admit,
    wire::{self, states::return_filter},
};
use crate::{
    error::Error,
    store::returns::{self, Pile},
};

/// Lists returns, the oldest first: of a shop for those who work there, else the caller's own; with the permission
/// `orders.read` of any shop, else everybody's.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field · `NOT_FOUND` no such shop, or not the caller's
pub(super) async fn list_returns(
    shop: &OrderService,
    caller: &Customer,
    wire: pb::ListReturnsRequest,
) -> Result<pb::ListReturnsResponse, Error> {
    let scope = format!("ListReturns shop={} state={} order={}", wire.shop_id, wire.state, wire.order_id);
    let mut violations = Violations::new();
    let seller: Option<ShopId> = wire::optional(&mut violations, "shop_id", &wire.shop_id);
    let order: Option<OrderId> = wire::optional(&mut violations, "order_id", &wire.order_id);
    let size = violations.take("page_size", page::PageSize::parse(wire.page_size));
    let after = violations.take("page_token", page::decode::<ReturnId>(&scope, &wire.page_token));
    let state = wire::filter(&mut violations, "state", wire.state, return_filter);
    let (size, after) = violations.finish(size.zip(after))?;

    let pile = match seller {
        Some(seller) => {
            admit(shop, caller, seller).await?;
            Pile::Shop(seller)
        }
        None if caller.may(Permission::ORDERS_READ) => Pile::All,
        None => Pile::User(caller.user_id),
    };
    let mut found = returns::page_of(&shop.db, pile, order, state, after, size).await?;
    let size = usize::try_from(size.get()).unwrap_or(usize::MAX);
    let has_more = found.len() > size;
    found.truncate(size);
    let next_page_token = match found.last() {
        Some(last) if has_more => page::encode(&scope, &last.id),
        _ => String::new(),
    };
    Ok(pb::ListReturnsResponse { returns: found.into_iter().map(Into::into).collect(), next_page_token })
}
