//! Where an order stands from CONFIRMED on: what its shipments and returns make of it.

use super::{ShipmentState, State};

/// What is known of an order's returns, all together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Returns {
    /// None waits for a shop, and the customer has something left.
    Settled,
    /// A shop has to say.
    Open,
    /// Every copy was taken back.
    Everything,
}

/// The state of an order that is CONFIRMED or further.
pub(crate) fn state(shipments: impl IntoIterator<Item = ShipmentState>, returns: Returns) -> State {
    let (mut all, mut sent, mut arrived) = (0, 0, 0);
    for shipment in shipments {
        all += 1;
        sent += usize::from(shipment.is_sent());
        arrived += usize::from(shipment == ShipmentState::Delivered);
    }
    match (sent, arrived) {
        (0, _) => State::Confirmed,
        (_, arrived) if arrived == all => match returns {
            Returns::Settled => State::Delivered,
            Returns::Open => State::ReturnRequested,
            Returns::Everything => State::Returned,
        },
        (sent, _) if sent == all => State::Shipped,
        _ => State::PartiallyShipped,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_order_is_as_far_as_its_shipments() {
        use ShipmentState::{Delivered, Ready, Shipped};
        for (shipments, expected) in [
            (vec![Ready], State::Confirmed),
            (vec![Ready, Ready], State::Confirmed),
            (vec![Ready, Shipped], State::PartiallyShipped),
            (vec![Ready, Delivered], State::PartiallyShipped),
            (vec![Shipped, Delivered], State::Shipped),
            (vec![Delivered, Delivered], State::Delivered),
        ] {
            assert_eq!(state(shipments.clone(), Returns::Settled), expected, "{shipments:?}");
        }
    }

    /// Something that a shop or the customer may try.
    #[derive(Clone, Debug)]
    enum Action {
        Tell(usize, ShipmentState),
        AskReturn(u8),
        Resolve(bool),
    }

    fn action() -> impl Strategy<Value = Action> {
        let told = prop_oneof![
            Just(ShipmentState::Shipped),
            Just(ShipmentState::Delivered),
            Just(ShipmentState::Ready)
        ];
        prop_oneof![
            4 => (0_usize..4, told).prop_map(|(shop, told)| Action::Tell(shop, told)),
            1 => (1_u8..4).prop_map(Action::AskReturn),
            2 => any::<bool>().prop_map(Action::Resolve),
        ]
    }

    proptest! {
        #[test]
        fn whatever_shops_and_customers_try_the_history_is_a_legal_path(
            shops in 1_usize..4,
            actions in prop::collection::vec(action(), 0..60),
        ) {
            const COPIES: u8 = 4;
            let mut shipments = vec![ShipmentState::Ready; shops];
            let (mut open, mut accepted) = (Vec::new(), 0);
            let mut now = State::Confirmed;
            for action in actions {
                match action {
                    Action::Tell(shop, told) => {
                        if let Some(shipment) = shipments.get_mut(shop)
                            && shipment.may_become(told)
                        {
                            *shipment = told;
                        }
                    }
                    Action::AskReturn(copies) => {
                        let left = COPIES - accepted - open.iter().sum::<u8>();
                        if now.takes_returns() && copies <= left {
                            open.push(copies);
                        }
                    }
                    Action::Resolve(accept) => {
                        if let Some(copies) = open.pop() && accept {
                            accepted += copies;
                        }
                    }
                }
                let returns = match () {
                    () if !open.is_empty() => Returns::Open,
                    () if accepted == COPIES => Returns::Everything,
                    () => Returns::Settled,
                };
                let next = state(shipments.iter().copied(), returns);
                prop_assert!(next == now || now.may_become(next), "{now:?} became {next:?}");
                now = next;
            }
        }
    }
}
