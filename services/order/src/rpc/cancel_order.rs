use auth::{Customer, Permission};
use proto::order::v1 as pb;
use sea_orm::TransactionTrait;
use serde::Serialize;
use tracing::Span;
use values::{Fingerprint, OrderId, RequestId, Violations, text};

use super::OrderService;
use crate::{
    domain::{Actor, CancelReason, Effect, Happening, Order},
    error::Error,
    settle::{Report, settle},
    store::{self, orders::Reach},
};

/// What a customer or staff asks for; without its id it is what a repeated request is compared by.
#[derive(Serialize)]
struct CancelOrder {
    #[serde(skip)]
    request_id: RequestId,
    order: OrderId,
    note: String,
}

impl CancelOrder {
    fn parse(wire: &pb::CancelOrderRequest) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        let request_id = violations.parse("request_id", &wire.request_id);
        let order = violations.parse("order_id", &wire.order_id);
        let note = violations.take("note", text(&wire.note, 0..=200));
        let request = request_id.zip(order).zip(note);
        violations.finish(request.map(|((request_id, order), note)| Self { request_id, order, note }))
    }
}

/// Cancels an order of the caller that is PENDING or CONFIRMED, with the permission `orders.manage` anybody's; payment and
/// inventory hear of it by an event.
///
/// Repeating a `request_id` returns the order as it is now.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field · `NOT_FOUND` no such order, or another user's · `FAILED_PRECONDITION` it cannot
/// be cancelled any more · `ALREADY_EXISTS` same `request_id`, other body
pub(super) async fn cancel_order(
    shop: &OrderService,
    caller: &Customer,
    wire: pb::CancelOrderRequest,
) -> Result<pb::Order, Error> {
    let request = CancelOrder::parse(&wire)?;
    if !is_granted(shop, caller, &request).await? {
        // Whether it is the caller's is told before anything is locked.
        let order = find(shop, caller, &request).await?;
        if !grant(shop, caller, &order, &request).await? && !is_granted(shop, caller, &request).await? {
            return Err(Error::NotCancellable);
        }
    }
    Ok(find(shop, caller, &request).await?.into())
}

/// Whether this very request has cancelled the order before.
async fn is_granted(shop: &OrderService, caller: &Customer, request: &CancelOrder) -> Result<bool, Error> {
    match store::cancellations::find_by_request(&shop.db, caller.user_id, &request.request_id).await? {
        Some(earlier) if earlier != Fingerprint::of(request) => Err(Error::RequestIdReused),
        earlier => Ok(earlier.is_some()),
    }
}

/// `false`: the order can't be cancelled, or an equal request was faster.
async fn grant(
    shop: &OrderService,
    caller: &Customer,
    order: &Order,
    request: &CancelOrder,
) -> Result<bool, Error> {
    let (actor, reason) = if caller.user_id == order.user {
        (Actor::Customer, CancelReason::CustomerRequest)
    } else {
        (Actor::Staff, CancelReason::Staff)
    };
    let report = Report {
        order: request.order,
        happening: Happening::CancelRequested(reason),
        actor,
        note: request.note.clone(),
        span: Span::current(),
    };
    let tx = shop.db.begin().await?;
    let effects = settle(&tx, &[report]).await?;
    let is_cancelled = matches!(effects[..], [Some(Effect::Step(_))]);
    let fingerprint = Fingerprint::of(request);
    if !is_cancelled
        || !store::cancellations::insert(&tx, caller.user_id, &request.request_id, fingerprint, request.order)
            .await?
    {
        tx.rollback().await?;
        return Ok(false);
    }
    fault::around("order.cancel_order.commit", tx.commit()).await?;
    shop.notifier.changed([request.order]);
    Ok(true)
}

async fn find(shop: &OrderService, caller: &Customer, request: &CancelOrder) -> Result<Order, Error> {
    let reach = Reach::of(caller, Permission::ORDERS_MANAGE);
    let order = store::orders::find_for(&shop.db, reach, request.order).await?;
    order.ok_or_else(|| Error::NoSuchOrder(request.order.to_string()))
}
