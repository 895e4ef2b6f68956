use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use values::{EditionId, Fingerprint, Money, OfferId, Quantity, ReservationId, ShopId, TextError};

use super::Pick;

/// Stock set aside for an order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reservation {
    /// Who it is.
    pub(crate) id: ReservationId,
    /// What its maker calls it.
    pub(crate) key: ReservationKey,
    /// Of the lines that were asked for.
    pub(crate) fingerprint: Fingerprint,
    /// Where it stands.
    pub(crate) state: State,
    /// What it holds or held, in the order asked for.
    pub(crate) lines: Vec<Line>,
    /// When it lapses, if it is HELD, by the database's clock.
    pub(crate) expires_at: DateTime<Utc>,
    /// Whether that time has passed: the stock is still held, until the sweeper comes by.
    pub(crate) lapsed: bool,
}

/// A line of a reservation, with what the book was and cost when it was made.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    /// What was reserved.
    pub(crate) offer: OfferId,
    /// Which edition that is.
    pub(crate) edition: EditionId,
    /// Who sells it.
    pub(crate) shop: ShopId,
    /// Title of the work.
    pub(crate) title: String,
    /// Copies.
    pub(crate) quantity: Quantity,
    /// Price of one copy.
    pub(crate) unit_price: Money,
    /// From which locations.
    pub(crate) picks: Vec<Pick>,
}

/// Where a reservation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The stock is set aside.
    Held,
    /// The stock has left the shelf for the order.
    Committed,
    /// The stock was given back, for good.
    Released,
    /// The time ran out and the stock is free again.
    Expired,
    /// The order was cancelled after the commit, and the stock is back on the shelf.
    Restocked,
}

/// What happens to a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trigger {
    /// `ReserveStock` came again with its key.
    Reserve,
    /// `CommitReservation`.
    Commit,
    /// `ReleaseReservation`.
    Release,
    /// Its time is up.
    Expire,
    /// Its order was cancelled.
    Cancel,
}

/// A step from one state to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// The state it leads to.
    pub(crate) to: State,
    /// What it does to the stock.
    pub(crate) effect: Effect,
}

/// What a step does to the stock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing.
    Nothing,
    /// Sets free copies aside, if there are enough.
    Hold,
    /// Takes the copies that are set aside off the shelf.
    Sell,
    /// Takes free copies off the shelf, if there are enough.
    SellFree,
    /// Frees the copies that are set aside.
    Free,
    /// Puts sold copies back on the shelf.
    PutBack,
}

impl State {
    /// Every state.
    pub(crate) const ALL: [Self; 5] =
        [Self::Held, Self::Committed, Self::Released, Self::Expired, Self::Restocked];

    /// The step that `trigger` causes here; `None`: the reservation stays what it is.
    #[must_use]
    pub(crate) const fn on(self, trigger: Trigger) -> Option<Step> {
        let (to, effect) = match (self, trigger) {
            (Self::Held, Trigger::Commit) => (Self::Committed, Effect::Sell),
            (Self::Held, Trigger::Release | Trigger::Cancel) => (Self::Released, Effect::Free),
            (Self::Held, Trigger::Expire) => (Self::Expired, Effect::Free),
            (Self::Expired, Trigger::Reserve) => (Self::Held, Effect::Hold),
            (Self::Expired, Trigger::Commit) => (Self::Committed, Effect::SellFree),
            (Self::Expired, Trigger::Release | Trigger::Cancel) => (Self::Released, Effect::Nothing),
            (Self::Committed, Trigger::Cancel) => (Self::Restocked, Effect::PutBack),
            (Self::Held, Trigger::Reserve)
            | (Self::Expired, Trigger::Expire)
            | (Self::Committed, Trigger::Reserve | Trigger::Commit | Trigger::Release | Trigger::Expire)
            | (Self::Released | Self::Restocked, _) => return None,
        };
        Some(Step { to, effect })
    }

    /// The name in the database.
    #[must_use]
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Held => "HELD",
            Self::Committed => "COMMITTED",
            Self::Released => "RELEASED",
            Self::Expired => "EXPIRED",
            Self::Restocked => "RESTOCKED",
        }
    }

    /// The state of that name.
    #[must_use]
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

impl Effect {
    /// Whether it needs copies that are free, and so new picks.
    #[must_use]
    pub(crate) const fn takes_free_copies(self) -> bool {
        matches!(self, Self::Hold | Self::SellFree)
    }

    /// By how much each copy changes what is on hand.
    #[must_use]
    pub(crate) const fn on_hand(self) -> i64 {
        match self {
            Self::Sell | Self::SellFree => -1,
            Self::PutBack => 1,
            Self::Nothing | Self::Hold | Self::Free => 0,
        }
    }

    /// By how much each copy changes what is set aside.
    #[must_use]
    pub(crate) const fn reserved(self) -> i64 {
        match self {
            Self::Hold => 1,
            Self::Sell | Self::Free => -1,
            Self::Nothing | Self::SellFree | Self::PutBack => 0,
        }
    }
}

/// What the maker of a reservation calls it: the same in every attempt of one order.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct ReservationKey(String);

/// The text can't be a key.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct ReservationKeyError(#[from] TextError);

impl FromStr for ReservationKey {
    type Err = ReservationKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(values::text(text, 1..=128)?))
    }
}

impl fmt::Display for ReservationKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIGGERS: [Trigger; 5] =
        [Trigger::Reserve, Trigger::Commit, Trigger::Release, Trigger::Expire, Trigger::Cancel];

    #[test]
    fn released_and_restocked_are_final() {
        for trigger in TRIGGERS {
            assert_eq!(State::Released.on(trigger), None);
            assert_eq!(State::Restocked.on(trigger), None);
        }
    }

    #[test]
    fn only_a_cancelled_order_undoes_a_commit() {
        for trigger in TRIGGERS {
            let step = State::Committed.on(trigger);
            assert_eq!(step.is_some(), trigger == Trigger::Cancel, "{trigger:?}");
        }
    }

    #[test]
    fn only_an_expired_reservation_can_be_reserved_again() {
        for state in State::ALL {
            let held_again = state.on(Trigger::Reserve).is_some_and(|step| step.to == State::Held);
            assert_eq!(held_again, state == State::Expired, "{state:?}");
        }
    }

    /// What one copy of a reservation in this state adds to (on hand, reserved).
    const fn weight(state: State) -> (i64, i64) {
        match state {
            State::Held => (0, 1),
            State::Committed => (-1, 0),
            State::Released | State::Expired | State::Restocked => (0, 0),
        }
    }

    #[test]
    fn every_step_moves_the_stock_from_what_one_state_means_to_what_the_other_means() {
        for state in State::ALL {
            for step in TRIGGERS.into_iter().filter_map(|trigger| state.on(trigger)) {
                let (before, after) = (weight(state), weight(step.to));
                assert_eq!(
                    (step.effect.on_hand(), step.effect.reserved()),
                    (after.0 - before.0, after.1 - before.1),
                    "{state:?} → {step:?}"
                );
            }
        }
    }

    #[test]
    fn states_are_found_by_their_names() {
        for state in State::ALL {
            assert_eq!(State::named(state.name()), Some(state));
        }
        assert_eq!(State::named("LOST"), None);
    }
}
