use auth::Customer;
use proto::order::v1 as pb;
use sea_orm::TransactionTrait;
use serde::Serialize;
use values::{Fingerprint, OrderId, RequestId, ShopId, Violations, text};

use super::{
    OrderService,
    hands::Hands,
    wire::{optional, shipment_of},
};
use crate::{
    domain::{Actor, Order, ShipmentState},
    error::Error,
    events::published,
    fulfil::{self, Deed},
    store::{
        changes, orders,
        orders::Reach,
        requests::{self, Granted, Key},
        returns, shipments,
    },
};

const RPC: &str = "UpdateOrderStatus";

/// What a shop tells; without its id it is what a repeated request is compared by.
#[derive(Serialize)]
struct UpdateOrderStatus {
    #[serde(skip)]
    request_id: RequestId,
    order: OrderId,
    /// The one in which the caller has a hand, if none is named.
    shop: Option<ShopId>,
    parcel: Parcel,
    note: String,
}

#[derive(Serialize)]
enum Parcel {
    Shipped { tracking_number: String, carrier: String },
    Delivered,
}

impl UpdateOrderStatus {
    fn parse(wire: &pb::UpdateOrderStatusRequest) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        let request_id = violations.parse("request_id", &wire.request_id);
        let order = violations.parse("order_id", &wire.order_id);
        let shop = optional(&mut violations, "shop_id", &wire.shop_id);
        let parcel = parse_parcel(&mut violations, wire);
        let note = violations.take("note", text(&wire.note, 0..=200));
        let request = request_id.zip(order).zip(parcel).zip(note);
        violations.finish(request.map(|(((request_id, order), parcel), note)| Self {
            request_id,
            order,
            shop,
            parcel,
            note,
        }))
    }

    const fn key(&self, caller: &Customer) -> Key<'_> {
        Key { rpc: RPC, user: caller.user_id, request_id: &self.request_id }
    }
}

fn parse_parcel(violations: &mut Violations, wire: &pb::UpdateOrderStatusRequest) -> Option<Parcel> {
    match wire.state() {
        pb::ShipmentState::Shipped => {
            let tracking_number = violations.take("tracking_number", text(&wire.tracking_number, 1..=100));
            let carrier = violations.take("carrier", text(&wire.carrier, 0..=100));
            let (tracking_number, carrier) = tracking_number.zip(carrier)?;
            Some(Parcel::Shipped { tracking_number, carrier })
        }
        pb::ShipmentState::Delivered => {
            for (field, value) in [("tracking_number", &wire.tracking_number), ("carrier", &wire.carrier)] {
                if !value.is_empty() {
                    violations.add(field, "is told with SHIPPED");
                }
            }
            Some(Parcel::Delivered)
        }
        pb::ShipmentState::Unspecified | pb::ShipmentState::Ready | pb::ShipmentState::Cancelled => {
            violations.add("state", "must be SHIPPED or DELIVERED");
            None
        }
    }
}

/// Tells that a shop's parcel has been sent or has arrived; the order's state follows.
///
/// Repeating a `request_id` returns the shipment as it is now.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field · `NOT_FOUND` no such order, or nothing of it is the caller's ·
/// `FAILED_PRECONDITION` not a legal step · `ALREADY_EXISTS` same `request_id`, other body
pub(super) async fn update_order_status(
    shop: &OrderService,
    caller: &Customer,
    wire: pb::UpdateOrderStatusRequest,
) -> Result<pb::Shipment, Error> {
    let request = UpdateOrderStatus::parse(&wire)?;
    if let Some(repeated) = repeated(shop, caller, &request).await? {
        return Ok(repeated);
    }
    let order = find(shop, request.order).await?;
    let hands = Hands::of(&shop.db, caller, order.shipments.iter().map(|part| part.shop)).await?;
    let (part, actor) = part_of(&order, &hands, request.shop)?;
    match grant(shop, caller, &request, part, actor).await {
        Ok(true) => visible(&find(shop, request.order).await?, part),
        Ok(false) => repeated(shop, caller, &request).await?.ok_or(Error::RequestIdReused),
        // An equal request may have been faster.
        Err(refused @ Error::ShipmentStep(_)) => repeated(shop, caller, &request).await?.ok_or(refused),
        Err(error) => Err(error),
    }
}

/// What an equal request has told before.
async fn repeated(
    shop: &OrderService,
    caller: &Customer,
    request: &UpdateOrderStatus,
) -> Result<Option<pb::Shipment>, Error> {
    let Some(earlier) = requests::find(&shop.db, request.key(caller)).await? else { return Ok(None) };
    if earlier.fingerprint != Fingerprint::of(request) {
        return Err(Error::RequestIdReused);
    }
    let order = find(shop, earlier.order).await?;
    let part = ShopId::from_uuid(earlier.subject);
    // The caller may have left the shop.
    if Hands::of(&shop.db, caller, [part]).await?.actor(part).is_none() {
        return Err(Error::NoSuchOrder(earlier.order.to_string()));
    }
    visible(&order, part).map(Some)
}

/// Read for a shop: nothing of it is told before it is known what of it is the caller's.
async fn find(shop: &OrderService, id: OrderId) -> Result<Order, Error> {
    let order = orders::find_for(&shop.db, Reach::All, id).await?;
    order.ok_or_else(|| Error::NoSuchOrder(id.to_string()))
}

fn visible(order: &Order, part: ShopId) -> Result<pb::Shipment, Error> {
    shipment_of(order, part).ok_or_else(|| Error::NoSuchOrder(order.status.id.to_string()))
}

/// The shop whose part is meant, and as whom the caller acts for it.
fn part_of(order: &Order, hands: &Hands, named: Option<ShopId>) -> Result<(ShopId, Actor), Error> {
    let theirs: Vec<(ShopId, Actor)> = order
        .shipments
        .iter()
        .filter(|part| named.is_none_or(|named| named == part.shop))
        .filter_map(|part| Some((part.shop, hands.actor(part.shop)?)))
        .collect();
    // Who works in one of the shops means that, whatever else they may do.
    let own: Vec<_> = theirs.iter().filter(|(_, actor)| *actor == Actor::Shop).copied().collect();
    match (&own[..], &theirs[..]) {
        ([only], _) | ([], [only]) => Ok(*only),
        ([], []) => Err(Error::NoSuchOrder(order.status.id.to_string())),
        _ => {
            let mut violations = Violations::new();
            violations.add("shop_id", "is required: you have a hand in several shops of this order");
            Err(violations.into())
        }
    }
}

/// `false`: the request id was used before.
async fn grant(
    shop: &OrderService,
    caller: &Customer,
    request: &UpdateOrderStatus,
    part: ShopId,
    actor: Actor,
) -> Result<bool, Error> {
    let no_such_order = || Error::NoSuchOrder(request.order.to_string());
    let tx = shop.db.begin().await?;
    let locked = changes::lock(&tx, [request.order]).await?.pop().ok_or_else(no_such_order)?;
    let mut order = orders::find_for(&tx, Reach::All, request.order).await?.ok_or_else(no_such_order)?;
    let shipment = order.shipments.iter_mut().find(|shipment| shipment.shop == part);
    let shipment = shipment.ok_or_else(no_such_order)?;

    let (next, tracking_number, carrier) = match &request.parcel {
        Parcel::Shipped { tracking_number, carrier } => {
            (ShipmentState::Shipped, tracking_number.as_str(), carrier.as_str())
        }
        Parcel::Delivered => (ShipmentState::Delivered, "", ""),
    };
    if !shipment.state.may_become(next) {
        return Err(Error::ShipmentStep(shipment.state.name()));
    }
    shipment.state = next;
    if next == ShipmentState::Shipped {
        tracking_number.clone_into(&mut shipment.tracking_number);
        carrier.clone_into(&mut shipment.carrier);
    }
    let shipment = shipment.clone();

    shipments::advance(&tx, request.order, part, next, tracking_number, carrier).await?;
    let returns = returns::of_order(&tx, request.order).await?;
    let deed = Deed { actor, note: request.note.clone(), returns: &returns };
    fulfil::record(&tx, locked, &order, deed, |version| published::shipment(&order, version, &shipment))
        .await?;
    let granted =
        Granted { fingerprint: Fingerprint::of(request), order: request.order, subject: part.uuid() };
    if !requests::insert(&tx, request.key(caller), &granted).await? {
        tx.rollback().await?;
        return Ok(false);
    }
    fault::around("order.update_order_status.commit", tx.commit()).await?;
    shop.notifier.changed([request.order]);
    Ok(true)
}
