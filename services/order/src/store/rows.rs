//! Rows as they are read, and what they mean.

use chrono::{DateTime, Utc};
use sea_orm::{DbErr, FromJsonQueryResult, FromQueryResult};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use values::{
    CardId, Currency, EditionId, Fingerprint, Money, OfferId, OrderId, Quantity, ReservationId, ShopId,
    UserId,
};

use super::{known, shipments::StoredShipments, stored};
use crate::domain::{
    Actor, CancelReason, FailureReason, Line, Order, PaymentMethod, PaymentState, Shipment, ShippingAddress,
    Standing, State, Status, Step, StockState,
};

/// The columns of a [`StandingRow`].
pub(super) const STANDING: &str =
    "state, cancel_reason, payment_state, payment_failure_reason, stock_state, refunded, total";

#[derive(FromQueryResult)]
pub(super) struct StandingRow {
    state: String,
    cancel_reason: Option<String>,
    payment_state: String,
    payment_failure_reason: Option<String>,
    stock_state: String,
    refunded: i64,
    total: i64,
}

impl TryFrom<StandingRow> for Standing {
    type Error = DbErr;

    fn try_from(row: StandingRow) -> Result<Self, DbErr> {
        let payment = known(PaymentState::named(&row.payment_state))?;
        // The release that knew of no parts wrote down no sum: what it calls REFUNDED is the total.
        let is_all = payment == PaymentState::Refunded && row.refunded == 0;
        Ok(Self {
            state: known(State::named(&row.state))?,
            payment,
            stock: known(StockState::named(&row.stock_state))?,
            reason: row.cancel_reason.map(|name| known(CancelReason::named(&name))).transpose()?,
            failure: row.payment_failure_reason.map(|name| known(FailureReason::named(&name))).transpose()?,
            refunded: if is_all { row.total } else { row.refunded },
            total: row.total,
        })
    }
}

#[derive(FromQueryResult)]
pub(super) struct StatusRow {
    id: Uuid,
    #[sea_orm(nested)]
    standing: StandingRow,
    version: i64,
    updated_at: DateTime<Utc>,
}

impl TryFrom<StatusRow> for Status {
    type Error = DbErr;

    fn try_from(row: StatusRow) -> Result<Self, DbErr> {
        Ok(Self {
            id: OrderId::from_uuid(row.id),
            standing: row.standing.try_into()?,
            version: row.version,
            updated_at: row.updated_at,
        })
    }
}

#[derive(FromQueryResult)]
pub(super) struct OrderRow {
    #[sea_orm(nested)]
    status: StatusRow,
    user_id: Uuid,
    currency: String,
    lines: StoredLines,
    payment_method: String,
    card_id: Option<Uuid>,
    customer_name: String,
    shipping_address: StoredAddress,
    created_at: DateTime<Utc>,
    shipments: StoredShipments,
}

impl TryFrom<OrderRow> for Order {
    type Error = DbErr;

    fn try_from(row: OrderRow) -> Result<Self, DbErr> {
        let currency: Currency = stored(row.currency.parse())?;
        let status: Status = row.status.try_into()?;
        Ok(Self {
            status,
            user: UserId::from_uuid(row.user_id),
            lines: row.lines.priced_in(currency),
            total: Money::new(status.standing.total, currency),
            payment_method: payment_method(&row.payment_method, row.card_id)?,
            customer_name: row.customer_name,
            shipping_address: row.shipping_address.0,
            created_at: row.created_at,
            shipments: row.shipments.0.into_iter().map(Shipment::try_from).collect::<Result<_, _>>()?,
        })
    }
}

fn payment_method(name: &str, card: Option<Uuid>) -> Result<PaymentMethod, DbErr> {
    known(match (name, card) {
        ("WALLET", None) => Some(PaymentMethod::Wallet),
        ("CARD", Some(card)) => Some(PaymentMethod::Card(CardId::from_uuid(card))),
        _ => None,
    })
}

/// What a repeated request is compared with, beside the order that the first one made.
#[derive(FromQueryResult)]
pub(super) struct RequestedRow {
    pub(super) request_id: String,
    pub(super) request_fingerprint: Vec<u8>,
    #[sea_orm(nested)]
    pub(super) order: OrderRow,
}

pub(super) fn fingerprint(bytes: &[u8]) -> Result<Fingerprint, DbErr> {
    stored(Fingerprint::try_from(bytes))
}

#[derive(FromQueryResult)]
pub(super) struct StepRow {
    version: i64,
    state: String,
    cancel_reason: Option<String>,
    actor: String,
    note: String,
    at: DateTime<Utc>,
}

impl TryFrom<StepRow> for Step {
    type Error = DbErr;

    fn try_from(row: StepRow) -> Result<Self, DbErr> {
        Ok(Self {
            version: row.version,
            state: known(State::named(&row.state))?,
            reason: row.cancel_reason.map(|name| known(CancelReason::named(&name))).transpose()?,
            actor: known(Actor::named(&row.actor))?,
            note: row.note,
            time: row.at,
        })
    }
}

/// What the column `shipping_address` holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub(super) struct StoredAddress(pub(super) ShippingAddress);

/// What the column `lines` holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub(super) struct StoredLines(Vec<StoredLine>);

/// The currency is the order's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct StoredLine {
    offer_id: OfferId,
    edition_id: EditionId,
    shop_id: ShopId,
    title: String,
    quantity: Quantity,
    unit_price_minor_units: i64,
}

impl StoredLines {
    pub(super) fn priced_in(self, currency: Currency) -> Vec<Line> {
        self.0.into_iter().map(|line| line.priced_in(currency)).collect()
    }
}

impl StoredLine {
    fn priced_in(self, currency: Currency) -> Line {
        Line {
            offer: self.offer_id,
            edition: self.edition_id,
            shop: self.shop_id,
            title: self.title,
            quantity: self.quantity,
            unit_price: Money::new(self.unit_price_minor_units, currency),
        }
    }
}

/// The text of the column `lines`.
pub(super) fn lines_json(lines: &[Line]) -> Result<String, DbErr> {
    let lines = lines.iter().map(|line| StoredLine {
        offer_id: line.offer,
        edition_id: line.edition,
        shop_id: line.shop,
        title: line.title.clone(),
        quantity: line.quantity,
        unit_price_minor_units: line.unit_price.minor_units(),
    });
    stored(serde_json::to_string(&StoredLines(lines.collect())))
}

/// The text of the column `shipping_address`.
pub(super) fn address_json(address: &ShippingAddress) -> Result<String, DbErr> {
    stored(serde_json::to_string(address))
}

/// An order that the transaction has locked.
#[derive(FromQueryResult)]
pub(super) struct LockedRow {
    pub(super) id: Uuid,
    pub(super) user_id: Uuid,
    pub(super) reservation_id: Uuid,
    pub(super) version: i64,
    pub(super) age: f64,
    #[sea_orm(nested)]
    pub(super) standing: StandingRow,
}

pub(super) fn reservation(id: Uuid) -> ReservationId {
    ReservationId::from_uuid(id)
}
