use auth::Customer;
use proto::order::v1 as pb;
use sea_orm::TransactionTrait;
use serde::Serialize;
use values::{Fingerprint, OfferId, OrderId, Quantity, RequestId, ReturnId, ShopId, Violations, text};

use super::{OrderService, place_order::distinct_items, wire::optional};
use crate::{
    domain::{self, Actor, Line, Order, Return},
    error::Error,
    events::published,
    fulfil::{self, Deed},
    store::{
        changes, orders,
        orders::Reach,
        returns::{self, NewReturn},
    },
};

/// What a customer asks for; without its id it is what a repeated request is compared by.
#[derive(Serialize)]
struct RequestReturn {
    #[serde(skip)]
    request_id: RequestId,
    order: OrderId,
    /// The only one of the order, if none is named.
    shop: Option<ShopId>,
    /// All that is left, if none are named.
    items: Vec<(OfferId, Quantity)>,
    reason: String,
}

impl RequestReturn {
    fn parse(wire: &pb::RequestReturnRequest) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        let request_id = violations.parse("request_id", &wire.request_id);
        let order = violations.parse("order_id", &wire.order_id);
        let shop = optional(&mut violations, "shop_id", &wire.shop_id);
        let items = distinct_items(&mut violations, &wire.items);
        let reason = violations.take("reason", text(&wire.reason, 0..=200));
        let request = request_id.zip(order).zip(reason);
        violations.finish(request.map(|((request_id, order), reason)| Self {
            request_id,
            order,
            shop,
            items,
            reason,
        }))
    }
}

/// Asks a shop to take books of a DELIVERED order of the caller's back.
///
/// Repeating a `request_id` returns the return that it made.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field · `NOT_FOUND` no such order, or another user's, or nothing in it from that shop
/// · `FAILED_PRECONDITION` not delivered, or more copies than are left · `ALREADY_EXISTS` same `request_id`, other body
pub(super) async fn request_return(
    shop: &OrderService,
    caller: &Customer,
    wire: pb::RequestReturnRequest,
) -> Result<pb::Return, Error> {
    let request = RequestReturn::parse(&wire)?;
    if let Some(earlier) = earlier(shop, caller, &request).await? {
        return Ok(earlier.into());
    }
    match grant(shop, caller, &request).await {
        Ok(Some(made)) => Ok(made.into()),
        Ok(None) => Ok(earlier(shop, caller, &request).await?.ok_or(Error::RequestIdReused)?.into()),
        // An equal request may have been faster, and has taken what was left.
        Err(refused @ (Error::NotReturnable(_) | Error::Return(_))) => {
            Ok(earlier(shop, caller, &request).await?.ok_or(refused)?.into())
        }
        Err(error) => Err(error),
    }
}

/// The return that this request has made before.
async fn earlier(
    shop: &OrderService,
    caller: &Customer,
    request: &RequestReturn,
) -> Result<Option<Return>, Error> {
    match returns::find_by_request(&shop.db, caller.user_id, &request.request_id).await? {
        Some((fingerprint, _)) if fingerprint != Fingerprint::of(request) => Err(Error::RequestIdReused),
        earlier => Ok(earlier.map(|(_, made)| made)),
    }
}

/// Nothing: the request id was used before.
async fn grant(
    shop: &OrderService,
    caller: &Customer,
    request: &RequestReturn,
) -> Result<Option<Return>, Error> {
    let no_such_order = || Error::NoSuchOrder(request.order.to_string());
    let reach = Reach::Of(caller.user_id);
    // Whether it is the caller's is told before anything is locked.
    orders::status_for(&shop.db, reach, request.order).await?.ok_or_else(no_such_order)?;

    let tx = shop.db.begin().await?;
    let locked = changes::lock(&tx, [request.order]).await?.pop().ok_or_else(no_such_order)?;
    let order = orders::find_for(&tx, reach, request.order).await?.ok_or_else(no_such_order)?;
    let seller = seller(&order, request.shop)?;
    if !locked.standing.state.takes_returns() {
        return Err(Error::NotReturnable(locked.standing.state.name()));
    }
    let mut all = returns::of_order(&tx, request.order).await?;
    let lines: Vec<Line> = order.lines_of(seller).cloned().collect();
    let (items, amount) = domain::returns::claim(&lines, &request.items, &all)?;
    let new = NewReturn {
        id: ReturnId::new(),
        order: request.order,
        shop: seller,
        user: caller.user_id,
        request_id: &request.request_id,
        fingerprint: Fingerprint::of(request),
        items: &items,
        amount,
        reason: &request.reason,
    };
    let Some(made) = returns::insert(&tx, &new).await? else {
        tx.rollback().await?;
        return Ok(None);
    };
    all.push(made.clone());
    let deed = Deed { actor: Actor::Customer, note: request.reason.clone(), returns: &all };
    fulfil::record(&tx, locked, &order, deed, |version| published::return_requested(&order, version, &made))
        .await?;
    fault::around("order.request_return.commit", tx.commit()).await?;
    shop.notifier.changed([request.order]);
    Ok(Some(made))
}

/// The shop that is to take something back.
fn seller(order: &Order, named: Option<ShopId>) -> Result<ShopId, Error> {
    let shops = domain::shops(&order.lines);
    match named {
        Some(named) if shops.contains(&named) => Ok(named),
        Some(named) => Err(Error::NoSuchShop(named.to_string())),
        None if shops.len() == 1 => shops.first().copied().ok_or(Error::Total(domain::TotalError::NoLines)),
        None => {
            let mut violations = Violations::new();
            violations.add("shop_id", "is required: several shops have sold this order");
            Err(violations.into())
        }
    }
}
