use proto::order::v1::{self as wire, OrderState, ReturnState};
use tonic::Code;

use super::{Answer, By, Fault, Model, Parcel, Refusal, Return, Stage, fault, orders::unknown, refused_with};

impl Model {
    /// Where an order stands whose steps are all known.
    pub(super) fn state_of(&self, attempt: usize) -> OrderState {
        let Some(order) = self.orders.get(&attempt) else { return OrderState::Unspecified };
        let parcels = match &order.stage {
            Stage::Pending { .. } => return OrderState::Pending,
            Stage::Cancelled { .. } => return OrderState::Cancelled,
            Stage::Paid(parcels) => parcels,
        };
        let sent = parcels.values().filter(|parcel| **parcel >= Parcel::Shipped).count();
        if sent == 0 {
            return OrderState::Confirmed;
        }
        if sent < parcels.len() {
            return OrderState::PartiallyShipped;
        }
        if parcels.values().any(|parcel| *parcel != Parcel::Delivered) {
            return OrderState::Shipped;
        }
        let mut of_it = self.returns.values().filter(|returned| returned.order == attempt);
        if of_it.any(|returned| returned.answer == Answer::Open) {
            return OrderState::ReturnRequested;
        }
        let all_back = order.lines.iter().all(|line| self.left_to_return(attempt, line.offer) == 0);
        if all_back { OrderState::Returned } else { OrderState::Delivered }
    }

    /// Copies of an offer that an order has and nobody asked to return, or not successfully.
    fn left_to_return(&self, attempt: usize, offer: usize) -> i64 {
        let bought = self.orders.get(&attempt).map_or(0, |order| order.copies(offer));
        let gone = self
            .returns
            .values()
            .filter(|returned| returned.order == attempt && returned.answer != Answer::Rejected);
        let gone = gone.flat_map(|returned| &returned.lines).filter(|line| line.0 == offer);
        bought - gone.map(|line| line.1).sum::<i64>()
    }

    /// A shop told that its parcel was sent.
    pub fn shipped(
        &mut self,
        attempt: usize,
        shop: usize,
        by: By,
        answer: Result<&wire::Shipment, &Refusal>,
    ) -> Result<(), Fault> {
        self.moved(attempt, shop, by, (Parcel::Ready, Parcel::Shipped), answer)
    }

    /// A shop told that its parcel has arrived.
    pub fn delivered(
        &mut self,
        attempt: usize,
        shop: usize,
        by: By,
        answer: Result<&wire::Shipment, &Refusal>,
    ) -> Result<(), Fault> {
        self.moved(attempt, shop, by, (Parcel::Shipped, Parcel::Delivered), answer)
    }

    fn moved(
        &mut self,
        attempt: usize,
        shop: usize,
        by: By,
        (from, to): (Parcel, Parcel),
        answer: Result<&wire::Shipment, &Refusal>,
    ) -> Result<(), Fault> {
        if by == By::Stranger {
            return match answer {
                Ok(_) => fault("strangers moved a parcel"),
                Err(refusal) => refused_with("UpdateOrderStatus", refusal, &[Code::NotFound]),
            };
        }
        let order = self.orders.get(&attempt).ok_or_else(unknown)?;
        match (&order.stage, answer) {
            // Before it is confirmed the shop has no part in it.
            (Stage::Pending { .. } | Stage::Cancelled { .. }, Err(refusal)) => {
                refused_with("UpdateOrderStatus", refusal, &[Code::NotFound, Code::FailedPrecondition])
            }
            (Stage::Cancelled { .. }, Ok(_)) => {
                fault(format!("order {attempt} was sent, cancelled as it is"))
            }
            (Stage::Pending { .. }, Ok(_)) => {
                self.confirmed(attempt)?;
                self.moved(attempt, shop, by, (from, to), answer)
            }
            (Stage::Paid(parcels), answer) => {
                let stands = parcels.get(&shop).copied();
                match answer {
                    Ok(shipment) if stands == Some(from) && parcel(shipment) == Some(to) => {
                        self.orders.entry(attempt).and_modify(|order| {
                            if let Stage::Paid(parcels) = &mut order.stage {
                                parcels.insert(shop, to);
                            }
                        });
                        Ok(())
                    }
                    Ok(shipment) => {
                        fault(format!("a parcel that was {stands:?} is {:?} now", shipment.state()))
                    }
                    Err(refusal) if stands == Some(from) => {
                        fault(format!("a parcel that is {stands:?} cannot be {to:?}: {refusal:?}"))
                    }
                    Err(refusal) => refused_with("UpdateOrderStatus", refusal, &[Code::FailedPrecondition]),
                }
            }
        }
    }

    /// A customer asked to return books.
    pub fn asked_back(
        &mut self,
        request: usize,
        attempt: usize,
        lines: &[(usize, i64)],
        answer: Result<&wire::Return, &Refusal>,
    ) -> Result<(), Fault> {
        let has_arrived =
            matches!(self.state_of(attempt), OrderState::Delivered | OrderState::ReturnRequested);
        let are_left = lines.iter().all(|(offer, copies)| *copies <= self.left_to_return(attempt, *offer));
        let returned = match answer {
            Ok(returned) => returned,
            Err(refusal) if has_arrived && are_left => {
                return fault(format!("RequestReturn of {lines:?}: {refusal:?}"));
            }
            Err(refusal) => return refused_with("RequestReturn", refusal, &[Code::FailedPrecondition]),
        };
        if !has_arrived || !are_left {
            let state = self.state_of(attempt);
            return fault(format!("{lines:?} of order {attempt} are on their way back; it is {state:?}"));
        }
        let order = self.orders.get(&attempt).ok_or_else(unknown)?;
        let amount: i64 = lines.iter().map(|(offer, copies)| copies * order.price(*offer)).sum();
        let offered = returned.amount.as_ref().map_or(0, |money| money.minor_units);
        if offered != amount || returned.state() != ReturnState::Requested || returned.order_id != order.id {
            return fault(format!("{amount} for {lines:?} came to {returned:?}"));
        }
        let made = Return {
            id: returned.return_id.clone(),
            order: attempt,
            lines: lines.to_vec(),
            answer: Answer::Open,
        };
        self.returns.insert(request, made);
        Ok(())
    }

    /// A shop said yes or no to a return.
    pub fn resolved(
        &mut self,
        request: usize,
        (accept, restock): (bool, bool),
        by: By,
        answer: Result<&wire::Return, &Refusal>,
    ) -> Result<(), Fault> {
        if by == By::Stranger {
            return match answer {
                Ok(_) => fault("strangers resolved a return"),
                Err(refusal) => refused_with("ResolveReturn", refusal, &[Code::NotFound]),
            };
        }
        let Some(returned) = self.returns.get_mut(&request) else { return fault("it was never asked for") };
        let asked = if accept { Answer::Accepted { restock, is_settled: false } } else { Answer::Rejected };
        match (returned.answer, answer) {
            (Answer::Open, Ok(seen)) if is_resolved_so(seen, asked) => {
                returned.answer = asked;
                self.note_wallets();
                Ok(())
            }
            // What was resolved this way already may be told so again.
            (was, Ok(seen)) if is_resolved_so(seen, was) && was != Answer::Open => Ok(()),
            (was, Err(refusal)) if was != Answer::Open => {
                refused_with("ResolveReturn", refusal, &[Code::FailedPrecondition])
            }
            (was, answer) => fault(format!("a return that was {was:?}, asked for {asked:?}: {answer:?}")),
        }
    }
}

fn parcel(shipment: &wire::Shipment) -> Option<Parcel> {
    match shipment.state() {
        wire::ShipmentState::Ready => Some(Parcel::Ready),
        wire::ShipmentState::Shipped => Some(Parcel::Shipped),
        wire::ShipmentState::Delivered => Some(Parcel::Delivered),
        wire::ShipmentState::Unspecified | wire::ShipmentState::Cancelled => None,
    }
}

fn is_resolved_so(seen: &wire::Return, answer: Answer) -> bool {
    match answer {
        Answer::Open => seen.state() == ReturnState::Requested,
        Answer::Rejected => seen.state() == ReturnState::Rejected,
        Answer::Accepted { restock, .. } => {
            seen.state() == ReturnState::Accepted && seen.restocked == restock
        }
    }
}
