use std::collections::BTreeMap;

use values::{OfferId, Quantity};

use super::{Reservation, Shelf, State};

/// Why what a customer returned can't be put back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CannotPutBack {
    /// The reservation isn't sold yet, as far as is known here.
    #[error("the reservation isn't sold yet")]
    NotYetSold,
    /// The order was cancelled, and its stock is free.
    #[error("the reservation was given back")]
    GivenBack,
    /// More than was sold and hasn't come back yet.
    #[error("more comes back of {0} than was sold")]
    TooMany(OfferId),
}

/// Puts returned copies back where they were picked, next to what has come `back` before, which it adds to.
///
/// # Errors
/// Nothing is put back, and `back` is as it was.
pub(crate) fn put_back(
    reservation: &Reservation,
    back: &mut BTreeMap<Shelf, i64>,
    items: &[(OfferId, Quantity)],
) -> Result<BTreeMap<Shelf, i64>, CannotPutBack> {
    match reservation.state {
        State::Committed => {}
        State::Held | State::Expired => return Err(CannotPutBack::NotYetSold),
        State::Released | State::Restocked => return Err(CannotPutBack::GivenBack),
    }
    let mut now: BTreeMap<Shelf, i64> = BTreeMap::new();
    for &(offer, quantity) in items {
        let mut left = i64::from(quantity.get());
        let picks = reservation.lines.iter().filter(|line| line.offer == offer).flat_map(|line| &line.picks);
        for pick in picks {
            let shelf = Shelf { offer, location: pick.location };
            let before = back.get(&shelf).copied().unwrap_or_default();
            let here = now.entry(shelf).or_default();
            let copies = left.min(i64::from(pick.quantity) - before - *here).max(0);
            *here += copies;
            left -= copies;
        }
        if left > 0 {
            return Err(CannotPutBack::TooMany(offer));
        }
    }
    now.retain(|_, copies| *copies > 0);
    for (&shelf, copies) in &now {
        *back.entry(shelf).or_default() += copies;
    }
    Ok(now)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use values::{EditionId, Fingerprint, LocationId, ReservationId, ShopId};

    use super::*;
    use crate::domain::{Line, Pick};

    fn copies(number: u32) -> Quantity {
        Quantity::try_from(number).expect("a quantity")
    }

    /// A reservation of one offer, from two rooms.
    fn sold(state: State, picks: [u32; 2]) -> (Reservation, [Shelf; 2]) {
        let offer = OfferId::new();
        let shelves = picks.map(|_| Shelf { offer, location: LocationId::new() });
        let line = Line {
            offer,
            edition: EditionId::new(),
            shop: ShopId::new(),
            title: "Emma".to_owned(),
            quantity: copies(picks.iter().sum()),
            unit_price: "10 EUR".parse().expect("money"),
            picks: (shelves.iter().zip(picks))
                .map(|(shelf, quantity)| Pick { location: shelf.location, quantity })
                .collect(),
        };
        let reservation = Reservation {
            id: ReservationId::new(),
            key: "key".parse().expect("a key"),
            fingerprint: Fingerprint::of(&"lines"),
            state,
            lines: vec![line],
            expires_at: DateTime::UNIX_EPOCH,
            lapsed: false,
        };
        (reservation, shelves)
    }

    #[test]
    fn copies_go_back_where_they_were_picked_until_all_are_back() {
        let (reservation, [one, other]) = sold(State::Committed, [2, 3]);
        let mut back = BTreeMap::new();
        let mut put = |number| put_back(&reservation, &mut back, &[(one.offer, copies(number))]);
        assert_eq!(put(1), Ok(BTreeMap::from([(one, 1)])));
        assert_eq!(put(2), Ok(BTreeMap::from([(one, 1), (other, 1)])));
        assert_eq!(put(3), Err(CannotPutBack::TooMany(one.offer)));
        assert_eq!(put(2), Ok(BTreeMap::from([(other, 2)])));
        assert_eq!(put(1), Err(CannotPutBack::TooMany(one.offer)));
    }

    #[test]
    fn what_was_never_bought_cannot_come_back() {
        let (reservation, _) = sold(State::Committed, [2, 3]);
        let other = OfferId::new();
        let answer = put_back(&reservation, &mut BTreeMap::new(), &[(other, copies(1))]);
        assert_eq!(answer, Err(CannotPutBack::TooMany(other)));
    }

    #[test]
    fn only_what_was_sold_comes_back() {
        for state in State::ALL {
            let (reservation, [one, _]) = sold(state, [2, 3]);
            let answer = put_back(&reservation, &mut BTreeMap::new(), &[(one.offer, copies(1))]);
            assert_eq!(answer.is_ok(), state == State::Committed, "{state:?}");
        }
    }
}
