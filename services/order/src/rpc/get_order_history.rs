use auth::Customer;
use proto::order::v1 as pb;
use values::{OrderId, Violations, page};

use super::OrderService;
use crate::{error::Error, store};

const LIST: &str = "GetOrderHistory";

/// Lists the caller's orders, the newest first, without their histories.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field
pub(super) async fn get_order_history(
    shop: &OrderService,
    caller: &Customer,
    wire: pb::GetOrderHistoryRequest,
) -> Result<pb::GetOrderHistoryResponse, Error> {
    let mut violations = Violations::new();
    let size = violations.take("page_size", page::PageSize::parse(wire.page_size));
    let before = violations.take("page_token", page::decode::<OrderId>(LIST, &wire.page_token));
    let (size, before) = violations.finish(size.zip(before))?;

    let mut orders = store::orders::page_for(&shop.db, caller.user_id, before, size).await?;
    let size = usize::try_from(size.get()).unwrap_or(usize::MAX);
    let has_more = orders.len() > size;
    orders.truncate(size);
    let next_page_token = match orders.last() {
        Some(last) if has_more => page::encode(LIST, &last.status.id),
        _ => String::new(),
    };
    Ok(pb::GetOrderHistoryResponse { orders: orders.into_iter().map(Into::into).collect(), next_page_token })
}
