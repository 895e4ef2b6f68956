use std::collections::HashMap;

use auth::Customer;
use fault::{Guard, is_off};
use proto::order::v1 as pb;
use serde::Serialize;
use values::{AddressId, Fingerprint, OfferId, OrderId, Quantity, RequestId, Violations};

use super::{OrderService, wire::optional};
use crate::{
    clients::{Recipient, RecipientQuery, Reservation, Wanted},
    domain::{self, NewOrder, Order, PaymentMethod, ShippingAddress},
    error::Error,
    events::published,
    place::Placing,
    store,
};

const MAX_ITEMS: usize = 100;

/// What a customer asks for; without its id it is what a repeated request is compared by.
#[derive(Serialize)]
struct PlaceOrder {
    #[serde(skip)]
    request_id: RequestId,
    items: Vec<(OfferId, Quantity)>,
    /// The default one, if none is named.
    address: Option<AddressId>,
    payment_method: PaymentMethod,
}

impl PlaceOrder {
    fn parse(wire: &pb::PlaceOrderRequest) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        let request_id = violations.parse("request_id", &wire.request_id);
        let items = parse_items(&mut violations, &wire.items);
        let address = optional(&mut violations, "address_id", &wire.address_id);
        let payment_method = parse_payment(&mut violations, wire);
        let request = request_id.zip(payment_method).map(|(request_id, payment_method)| Self {
            request_id,
            items,
            address,
            payment_method,
        });
        violations.finish(request)
    }
}

fn parse_payment(violations: &mut Violations, wire: &pb::PlaceOrderRequest) -> Option<PaymentMethod> {
    match wire.payment_method() {
        pb::PaymentMethod::Card => violations.parse("card_id", &wire.card_id).map(PaymentMethod::Card),
        pb::PaymentMethod::Wallet if wire.card_id.is_empty() => Some(PaymentMethod::Wallet),
        pb::PaymentMethod::Wallet => {
            violations.add("card_id", "must be empty where the wallet pays");
            None
        }
        pb::PaymentMethod::Unspecified => {
            violations.add("payment_method", "must be one of the payment methods");
            None
        }
    }
}

fn parse_items(violations: &mut Violations, items: &[pb::OrderItem]) -> Vec<(OfferId, Quantity)> {
    if items.is_empty() {
        violations.add("items", format!("must have 1 to {MAX_ITEMS} items"));
    }
    distinct_items(violations, items)
}

/// Items of which no offer is named twice.
pub(super) fn distinct_items(
    violations: &mut Violations,
    items: &[pb::OrderItem],
) -> Vec<(OfferId, Quantity)> {
    if items.len() > MAX_ITEMS {
        violations.add("items", format!("must have at most {MAX_ITEMS} items"));
        return vec![];
    }
    let mut seen = HashMap::new();
    let parse = |(index, item): (usize, &pb::OrderItem)| {
        let field = format!("items[{index}].offer_id");
        let offer: Option<OfferId> = violations.parse(field.clone(), &item.offer_id);
        let quantity = violations.take(format!("items[{index}].quantity"), Quantity::try_from(item.quantity));
        if let Some(earlier) = offer.and_then(|offer| seen.insert(offer, index)) {
            violations.add(field, format!("is in items[{earlier}] too"));
        }
        offer.zip(quantity)
    };
    items.iter().enumerate().filter_map(parse).collect()
}

/// Places an order: snapshots name and address, reserves the stock, stores the order as PENDING.
///
/// Repeating a `request_id` returns the order that it made. Nothing is released where an attempt fails: its retry needs
/// the reservation, and otherwise it expires.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field · `NOT_FOUND` address or offer · `FAILED_PRECONDITION` out of stock, or the
/// reservation has ended · `ALREADY_EXISTS` same `request_id`, other body
pub(super) async fn place_order(
    shop: &OrderService,
    caller: &Customer,
    wire: pb::PlaceOrderRequest,
) -> Result<pb::Order, Error> {
    let request = PlaceOrder::parse(&wire)?;
    match place(shop, caller, &request).await {
        // Only now: hardly any request has made an order before, and one that has meets it in the end. Where that can't
        // be found out the caller hears so: told that there is nothing, they would order again what they have ordered.
        Err(error) if may_be_repeated(&error) => {
            earlier(shop, caller, &request).await?.map(Into::into).ok_or(error)
        }
        placed => placed.map(Into::into),
    }
}

/// Whether it may be that the order is there and what it was made of isn't any more, or cannot be asked.
const fn may_be_repeated(error: &Error) -> bool {
    matches!(
        error,
        Error::Call(_)
            | Error::NotAsked(_)
            | Error::NoDefaultAddress
            | Error::ReservationClosed
            | Error::RequestIdReused
    )
}

async fn place(shop: &OrderService, caller: &Customer, request: &PlaceOrder) -> Result<Order, Error> {
    let query = RecipientQuery { user: caller.user_id, address: request.address };
    let Recipient { name, address } = shop.recipients.submit(query).await??;
    let address = address.ok_or(Error::NoDefaultAddress)?;
    let wanted =
        Wanted { user: caller.user_id, request_id: request.request_id.clone(), items: request.items.clone() };
    let reservation = shop.reservations.submit(wanted).await??;
    if !reservation.is_held {
        // An equal request has made an order of it meanwhile, or nothing ever will.
        return Err(Error::ReservationClosed);
    }
    let order = new_order(caller, request, (name, address), reservation)?;
    let event = published::placed(&order)?;
    let placed = shop.new_orders.submit(Placing { order, event }).await?;
    placed.ok_or(Error::RequestIdReused) // the winner's, if an equal request was faster
}

/// The order that this request has made before.
async fn earlier(
    shop: &OrderService,
    caller: &Customer,
    request: &PlaceOrder,
) -> Result<Option<Order>, Error> {
    if is_off(Guard::Repeats) {
        return Ok(None);
    }
    match store::orders::find_by_request(&shop.db, caller.user_id, &request.request_id).await? {
        Some(earlier) if earlier.fingerprint != Fingerprint::of(request) => Err(Error::RequestIdReused),
        earlier => Ok(earlier.map(|earlier| earlier.order)),
    }
}

fn new_order(
    caller: &Customer,
    request: &PlaceOrder,
    (customer_name, shipping_address): (String, ShippingAddress),
    reservation: Reservation,
) -> Result<NewOrder, Error> {
    Ok(NewOrder {
        id: OrderId::new(),
        user: caller.user_id,
        fingerprint: Fingerprint::of(request),
        request_id: request.request_id.clone(),
        reservation: reservation.id,
        total: domain::total(&reservation.lines)?,
        lines: reservation.lines,
        payment_method: request.payment_method,
        customer_name,
        shipping_address,
    })
}
