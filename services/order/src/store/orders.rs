//! Reading orders. There is no way to read one for a customer without saying whose it is.

use auth::{Customer, Permission};
use fault::{Guard, is_off};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use uuid::Uuid;
use values::{Fingerprint, OrderId, RequestId, UserId, page::PageSize};

use super::{
    rows::{OrderRow, RequestedRow, STANDING, StatusRow, StepRow, fingerprint},
    shipments::SHIPMENTS,
    sql,
};
use crate::domain::{Order, Status, Step};

/// The columns of an [`OrderRow`].
pub(super) fn columns() -> String {
    format!(
        "id, {STANDING}, version, updated_at, user_id, currency, lines, payment_method, card_id, customer_name,
         shipping_address, orders.created_at, {SHIPMENTS}"
    )
}

/// How many rows are read for a page: one more than it holds, to tell whether there is another.
pub(super) fn within(size: PageSize) -> i64 {
    i64::try_from(size.get()).unwrap_or(i64::MAX).saturating_add(1)
}

/// An order and what the request said that made it.
pub(crate) struct Requested {
    pub(crate) request_id: String,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) order: Order,
}

/// Whose orders are looked through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reach {
    /// This customer's.
    Of(UserId),
    /// Everybody's, for those who may.
    All,
}

impl Reach {
    /// Everybody's with this permission, else the caller's own.
    pub(crate) fn of(caller: &Customer, all: Permission) -> Self {
        if caller.may(all) { Self::All } else { Self::Of(caller.user_id) }
    }

    /// The customer; none stands for all.
    fn user(self) -> Option<Uuid> {
        match self {
            Self::Of(user) if !is_off(Guard::Ownership) => Some(user.uuid()),
            Self::Of(_) | Self::All => None,
        }
    }
}

/// An order within reach.
pub(crate) async fn find_for(
    db: &impl ConnectionTrait,
    reach: Reach,
    id: OrderId,
) -> Result<Option<Order>, DbErr> {
    let find =
        format!("SELECT {} FROM orders WHERE id = $1 AND ($2::uuid IS NULL OR user_id = $2)", columns());
    let row =
        OrderRow::find_by_statement(sql(&find, [id.uuid().into(), reach.user().into()])).one(db).await?;
    row.map(Order::try_from).transpose()
}

/// Where an order within reach stands.
pub(crate) async fn status_for(
    db: &impl ConnectionTrait,
    reach: Reach,
    id: OrderId,
) -> Result<Option<Status>, DbErr> {
    let find = format!(
        "SELECT id, {STANDING}, version, updated_at FROM orders
         WHERE id = $1 AND ($2::uuid IS NULL OR user_id = $2)"
    );
    let row =
        StatusRow::find_by_statement(sql(&find, [id.uuid().into(), reach.user().into()])).one(db).await?;
    row.map(Status::try_from).transpose()
}

/// The steps of an order that has been found for its user, the first one first.
pub(crate) async fn history(db: &impl ConnectionTrait, id: OrderId) -> Result<Vec<Step>, DbErr> {
    let find = "SELECT version, state, cancel_reason, actor, note, at FROM order_history
                WHERE order_id = $1 ORDER BY version";
    let rows = StepRow::find_by_statement(sql(find, [id.uuid().into()])).all(db).await?;
    rows.into_iter().map(Step::try_from).collect()
}

/// A user's orders older than `before`, the newest first: one more than fit the page, if there are more.
pub(crate) async fn page_for(
    db: &impl ConnectionTrait,
    user: UserId,
    before: Option<OrderId>,
    size: PageSize,
) -> Result<Vec<Order>, DbErr> {
    let find =
        format!("SELECT {} FROM orders WHERE user_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3", columns());
    let before = before.map_or(Uuid::max(), OrderId::uuid);
    let values = [user.uuid().into(), before.into(), within(size).into()];
    let rows = OrderRow::find_by_statement(sql(&find, values)).all(db).await?;
    rows.into_iter().map(Order::try_from).collect()
}

/// The order that this user's request has made.
pub(crate) async fn find_by_request(
    db: &impl ConnectionTrait,
    user: UserId,
    request_id: &RequestId,
) -> Result<Option<Requested>, DbErr> {
    let find = format!(
        "SELECT request_id, request_fingerprint, {} FROM orders WHERE user_id = $1 AND request_id = $2",
        columns()
    );
    let values = [user.uuid().into(), request_id.to_string().into()];
    let row = RequestedRow::find_by_statement(sql(&find, values)).one(db).await?;
    row.map(Requested::try_from).transpose()
}

/// The orders that these requests have made.
pub(crate) async fn find_by_requests(
    db: &impl ConnectionTrait,
    requests: impl IntoIterator<Item = (UserId, &RequestId)>,
) -> Result<Vec<Requested>, DbErr> {
    let (users, ids): (Vec<Uuid>, Vec<String>) =
        requests.into_iter().map(|(user, id)| (user.uuid(), id.to_string())).unzip();
    let find = format!(
        "SELECT request_id, request_fingerprint, {}
         FROM unnest($1::uuid[], $2::text[]) AS request (user_id, request_id)
              JOIN orders USING (user_id, request_id)",
        columns()
    );
    let rows = RequestedRow::find_by_statement(sql(&find, [users.into(), ids.into()])).all(db).await?;
    rows.into_iter().map(Requested::try_from).collect()
}

impl TryFrom<RequestedRow> for Requested {
    type Error = DbErr;

    fn try_from(row: RequestedRow) -> Result<Self, DbErr> {
        Ok(Self {
            request_id: row.request_id,
            fingerprint: fingerprint(&row.request_fingerprint)?,
            order: row.order.try_into()?,
        })
    }
}
