//! Books that customers send back.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use values::{Money, OfferId, OrderId, Quantity, ReturnId, ShopId};

use super::{Line, TotalError, fulfilment::Returns, names::names};

/// Where a return stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum ReturnState {
    /// The shop has to say.
    Requested,
    /// Taken back, and refunded.
    Accepted,
    /// Not taken back.
    Rejected,
}

names!(ReturnState { Requested => "REQUESTED", Accepted => "ACCEPTED", Rejected => "REJECTED" });

/// Books that a customer sends back to one shop.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Return {
    pub(crate) id: ReturnId,
    pub(crate) order: OrderId,
    pub(crate) shop: ShopId,
    pub(crate) state: ReturnState,
    pub(crate) items: Vec<(OfferId, Quantity)>,
    /// What is given back if it is accepted.
    pub(crate) amount: Money,
    pub(crate) restocked: bool,
    /// In the customer's words.
    pub(crate) reason: String,
    /// In the shop's.
    pub(crate) answer: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) resolved_at: Option<DateTime<Utc>>,
}

/// What keeps books from being returned.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum ReturnError {
    #[error("nothing of it is left to return")]
    NothingLeft,
    #[error("{left} copies of {offer} are left to return")]
    TooMany { offer: OfferId, left: i32 },
    #[error(transparent)]
    Total(#[from] TotalError),
}

/// What is to be returned of a shop's lines, and what it costs. Without items it is all that is left: bought, and
/// neither taken back nor asked for.
pub(crate) fn claim(
    lines: &[Line],
    items: &[(OfferId, Quantity)],
    earlier: &[Return],
) -> Result<(Vec<(OfferId, Quantity)>, Money), ReturnError> {
    let gone = gone(earlier);
    let left = |line: &Line| i32::from(line.quantity) - gone.get(&line.offer).copied().unwrap_or_default();
    let items = match items {
        [] => {
            lines.iter().filter_map(|line| Some((line.offer, Quantity::try_from(left(line)).ok()?))).collect()
        }
        items => items.to_vec(),
    };
    let returned = items
        .iter()
        .map(|&(offer, quantity)| {
            let line = lines.iter().find(|line| line.offer == offer);
            match line.map_or((None, 0), |line| (Some(line), left(line))) {
                (Some(line), left) if i32::from(quantity) <= left => Ok(Line { quantity, ..line.clone() }),
                (_, left) => Err(ReturnError::TooMany { offer, left }),
            }
        })
        .collect::<Result<Vec<_>, _>>()?;
    if returned.is_empty() {
        return Err(ReturnError::NothingLeft);
    }
    Ok((items, super::total(&returned)?))
}

/// Copies that were taken back or may be, by offer.
fn gone(returns: &[Return]) -> HashMap<OfferId, i32> {
    let mut gone = HashMap::new();
    for (offer, quantity) in returns
        .iter()
        .filter(|earlier| earlier.state != ReturnState::Rejected)
        .flat_map(|earlier| &earlier.items)
    {
        *gone.entry(*offer).or_default() += i32::from(*quantity);
    }
    gone
}

/// What an order's returns come to, all together.
pub(crate) fn standing(lines: &[Line], returns: &[Return]) -> Returns {
    if returns.iter().any(|one| one.state == ReturnState::Requested) {
        return Returns::Open;
    }
    let gone = gone(returns);
    let is_gone =
        |line: &Line| gone.get(&line.offer).is_some_and(|copies| *copies >= i32::from(line.quantity));
    if lines.iter().all(is_gone) { Returns::Everything } else { Returns::Settled }
}

#[cfg(test)]
mod tests {
    use values::EditionId;

    use super::*;

    fn line(quantity: i32) -> Line {
        Line {
            offer: OfferId::new(),
            edition: EditionId::new(),
            shop: ShopId::from_uuid(uuid::Uuid::nil()),
            title: "Emma".to_owned(),
            quantity: copies(quantity),
            unit_price: Money::new(5_00, "EUR".parse().unwrap()),
        }
    }

    fn copies(quantity: i32) -> Quantity {
        Quantity::try_from(quantity).unwrap()
    }

    fn earlier(state: ReturnState, items: Vec<(OfferId, Quantity)>) -> Return {
        Return {
            id: ReturnId::new(),
            order: OrderId::new(),
            shop: ShopId::new(),
            state,
            items,
            amount: Money::new(1, "EUR".parse().unwrap()),
            restocked: false,
            reason: String::new(),
            answer: String::new(),
            created_at: DateTime::UNIX_EPOCH,
            resolved_at: None,
        }
    }

    #[test]
    fn without_items_it_is_all_that_is_left() {
        let lines = [line(3), line(1)];
        let returns = [
            earlier(ReturnState::Accepted, vec![(lines[0].offer, copies(1)), (lines[1].offer, copies(1))]),
            earlier(ReturnState::Rejected, vec![(lines[0].offer, copies(2))]),
        ];

        let (items, amount) = claim(&lines, &[], &returns).unwrap();

        assert_eq!(items, [(lines[0].offer, copies(2))]);
        assert_eq!(amount.minor_units(), 10_00);
    }

    #[test]
    fn copies_that_are_asked_for_already_cannot_be_returned_again() {
        let lines = [line(3)];
        let offer = lines[0].offer;
        let open = [earlier(ReturnState::Requested, vec![(offer, copies(2))])];

        let refused = claim(&lines, &[(offer, copies(2))], &open);

        assert_eq!(refused, Err(ReturnError::TooMany { offer, left: 1 }));
        let all = [earlier(ReturnState::Requested, vec![(offer, copies(3))])];
        assert_eq!(claim(&lines, &[], &all), Err(ReturnError::NothingLeft));
    }

    #[test]
    fn what_was_not_bought_cannot_be_returned() {
        let stranger = OfferId::new();

        let refused = claim(&[line(1)], &[(stranger, copies(1))], &[]);

        assert_eq!(refused, Err(ReturnError::TooMany { offer: stranger, left: 0 }));
    }

    #[test]
    fn everything_is_returned_when_every_copy_was_taken_back() {
        let lines = [line(2), line(1)];
        let (first, second) = ((lines[0].offer, copies(2)), (lines[1].offer, copies(1)));
        let taken = |items| earlier(ReturnState::Accepted, items);

        assert_eq!(standing(&lines, &[taken(vec![first])]), Returns::Settled);
        assert_eq!(standing(&lines, &[taken(vec![first]), taken(vec![second])]), Returns::Everything);
        let open = earlier(ReturnState::Requested, vec![second]);
        assert_eq!(standing(&lines, &[taken(vec![first]), open]), Returns::Open);
    }
}
