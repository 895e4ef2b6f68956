//! What this service hears of others and tells them.

pub(crate) mod on_order_cancelled;
pub(crate) mod on_order_returned;
pub(crate) mod on_user_deleted;
pub(crate) mod shop_member_changed;
