use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use values::{Fingerprint, LocationId, OfferId, ReservationId};

use super::{Effect, Line, ReservationKey, State};

/// What a transaction writes: every row once, in the order in which rows are locked everywhere.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Changes {
    /// New reservations.
    pub(crate) opened: BTreeMap<ReservationKey, Opened>,
    /// Reservations that changed.
    pub(crate) settled: BTreeMap<ReservationId, Settled>,
    /// How the counts change.
    pub(crate) stock: BTreeMap<Shelf, StockChange>,
    /// Why what is on hand changes.
    pub(crate) movements: Vec<Movement>,
}

/// Where stock lies: an offer in a location.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Shelf {
    /// What.
    pub(crate) offer: OfferId,
    /// Where.
    pub(crate) location: LocationId,
}

/// By how much the counts of a shelf change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StockChange {
    /// Copies on the shelf.
    pub(crate) on_hand: i64,
    /// Of these, copies set aside.
    pub(crate) reserved: i64,
}

/// A reservation to write, HELD.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Opened {
    /// Its id.
    pub(crate) id: ReservationId,
    /// Of the lines asked for.
    pub(crate) fingerprint: Fingerprint,
    /// What it holds.
    pub(crate) lines: Vec<Line>,
    /// When it lapses.
    pub(crate) expires_at: DateTime<Utc>,
}

/// What a reservation becomes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settled {
    /// The state it is in from now on.
    pub(crate) state: State,
    /// Its lines, if their picks changed.
    pub(crate) lines: Option<Vec<Line>>,
    /// When it lapses, or would have.
    pub(crate) expires_at: DateTime<Utc>,
}

/// A change of what is on hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Movement {
    /// Where.
    pub(crate) shelf: Shelf,
    /// Copies in (above zero) or out (below).
    pub(crate) change: i64,
    /// Why.
    pub(crate) kind: MovementKind,
    /// For which reservation.
    pub(crate) reservation: ReservationId,
}

/// Why a reservation changes what is on hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MovementKind {
    /// It was committed.
    Sold,
    /// Its order was cancelled after that.
    Restocked,
}

impl MovementKind {
    /// The name in the database.
    #[must_use]
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sold => "SOLD",
            Self::Restocked => "RESTOCKED",
        }
    }
}

impl Changes {
    /// Whether there is nothing to write.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
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
