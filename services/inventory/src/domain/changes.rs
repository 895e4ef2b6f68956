use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use values::{Fingerprint, LocationId, OfferId, ReservationId};

use super::{Effect, Line, ReservationKey, State};

/// What a transaction writes: every row once, in the order in which rows are locked everywhere.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// New reservations.
    pub opened: BTreeMap<ReservationKey, Opened>,
    /// Reservations that changed.
    pub settled: BTreeMap<ReservationId, Settled>,
    /// How the counts change.
    pub stock: BTreeMap<Shelf, StockChange>,
    /// Why what is on hand changes.
    pub movements: Vec<Movement>,
}

/// Where stock lies: an offer in a location.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shelf {
    /// What.
    pub offer: OfferId,
    /// Where.
    pub location: LocationId,
}

/// By how much the counts of a shelf change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StockChange {
    /// Copies on the shelf.
    pub on_hand: i64,
    /// Of these, copies set aside.
    pub reserved: i64,
}

/// A reservation to write, HELD.
#[derive(Clone, Debug, PartialEq)]
pub struct Opened {
    /// Its id.
    pub id: ReservationId,
    /// Of the lines asked for.
    pub fingerprint: Fingerprint,
    /// What it holds.
    pub lines: Vec<Line>,
    /// When it lapses.
    pub expires_at: DateTime<Utc>,
}

/// What a reservation becomes.
#[derive(Clone, Debug, PartialEq)]
pub struct Settled {
    /// The state it is in from now on.
    pub state: State,
    /// Its lines, if their picks changed.
    pub lines: Option<Vec<Line>>,
    /// When it lapses, or would have.
    pub expires_at: DateTime<Utc>,
}

/// A change of what is on hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Movement {
    /// Where.
    pub shelf: Shelf,
    /// Copies in (above zero) or out (below).
    pub change: i64,
    /// Why.
    pub kind: MovementKind,
    /// For which reservation.
    pub reservation: ReservationId,
}

/// Why a reservation changes what is on hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MovementKind {
    /// It was committed.
    Sold,
    /// Its order was cancelled after that.
    Restocked,
}

impl MovementKind {
    /// The name in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sold => "SOLD",
            Self::Restocked => "RESTOCKED",
        }
    }
}

impl Changes {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.opened.is_empty() && self.settled.is_empty()
    }

    /// Adds what `effect` does to the stock of `lines`, merged with what others do to the same shelves.
    pub(super) fn move_stock(&mut self, reservation: ReservationId, lines: &[Line], effect: Effect) {
        for line in lines {
            for pick in &line.picks {
                let place = Shelf { offer: line.offer, location: pick.location };
                let copies = i64::from(pick.quantity);
                let change =
                    StockChange { on_hand: copies * effect.on_hand(), reserved: copies * effect.reserved() };
                if change == StockChange::default() {
                    continue;
                }
                let merged = self.stock.entry(place).or_default();
                merged.on_hand += change.on_hand;
                merged.reserved += change.reserved;
                if change.on_hand != 0 {
                    let kind = if change.on_hand < 0 { MovementKind::Sold } else { MovementKind::Restocked };
                    self.movements.push(Movement { shelf: place, change: change.on_hand, kind, reservation });
                }
            }
        }
    }
}
