//! Looking through everybody's orders, for those who may.

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, Statement};
use uuid::Uuid;
use values::{OrderId, UserId, page::PageSize};

use super::{
    orders::{columns, within},
    rows::OrderRow,
    sql,
};
use crate::domain::{CancelReason, Order, PaymentState, State, StockState};

/// What orders are looked for; nothing given: any.
#[derive(Clone, Default, Debug)]
pub(crate) struct Search {
    pub(crate) user: Option<UserId>,
    pub(crate) state: Option<State>,
    pub(crate) reason: Option<CancelReason>,
    pub(crate) payment: Option<PaymentState>,
    pub(crate) stock: Option<StockState>,
}

impl Search {
    /// The names stand in the text, so that the plan can use the indexes that leave out the usual.
    fn conditions(&self) -> String {
        let named = [
            ("state", self.state.map(State::name)),
            ("cancel_reason", self.reason.map(CancelReason::name)),
            // Only a CANCELLED order has a reason; that the index is on those is not seen from the reason alone.
            ("state", self.reason.map(|_| State::Cancelled.name())),
            ("payment_state", self.payment.map(PaymentState::name)),
            ("stock_state", self.stock.map(StockState::name)),
            // Where the order's state tells of the stock, its index finds it.
            ("state", self.stock.and_then(StockState::only_while).map(State::name)),
        ];
        let named =
            named.into_iter().filter_map(|(column, name)| Some(format!(" AND {column} = '{}'", name?)));
        // As a condition of its own, so that a user's orders are found by their index.
        let user = self.user.map(|user| format!(" AND user_id = '{}'", user.uuid()));
        named.chain(user).collect()
    }
}

/// Such orders older than `before`, the newest first: one more than fit the page, if there are more.
pub(crate) async fn page(
    db: &impl ConnectionTrait,
    search: &Search,
    before: Option<OrderId>,
    size: PageSize,
) -> Result<Vec<Order>, DbErr> {
    let rows = OrderRow::find_by_statement(statement(search, before, size)).all(db).await?;
    rows.into_iter().map(Order::try_from).collect()
}

fn statement(search: &Search, before: Option<OrderId>, size: PageSize) -> Statement {
    let find = format!(
        "SELECT {} FROM orders WHERE id < $1{} ORDER BY id DESC LIMIT $2",
        columns(),
        search.conditions()
    );
    let before = before.map_or(Uuid::max(), OrderId::uuid);
    sql(&find, [before.into(), within(size).into()])
}

#[cfg(test)]
mod tests;
