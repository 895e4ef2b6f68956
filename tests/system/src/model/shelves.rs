use tonic::Code;

use super::{
    Answer, Fault, Model, OFFERS, Order, ROOMS, Refusal, Stage, bounds::Bounds, fault, refused_with,
};

impl Model {
    /// Copies of an offer that could be reserved.
    pub(super) fn available(&self, offer: usize) -> Bounds {
        let taken = self.orders.values().map(|order| order.takes(offer));
        Bounds::exactly(self.counted[offer]) + taken.sum() + self.brought_back(offer)
    }

    /// Copies of an offer on the shelf.
    pub(super) fn on_hand(&self, offer: usize) -> Bounds {
        let left = self.orders.values().map(|order| match &order.stage {
            // Not yet off the shelf, or off it already.
            Stage::Pending { .. } => Bounds::between(-order.copies(offer), 0),
            Stage::Paid(_) | Stage::Cancelled { .. } => order.takes(offer),
        });
        Bounds::exactly(self.counted[offer]) + left.sum() + self.brought_back(offer)
    }

    fn brought_back(&self, offer: usize) -> Bounds {
        let returns = self.returns.values().filter_map(|returned| {
            let Answer::Accepted { restock: true, is_settled } = returned.answer else { return None };
            let copies = returned.lines.iter().filter(|line| line.0 == offer).map(|line| line.1).sum();
            Some(Bounds::between(if is_settled { copies } else { 0 }, copies))
        });
        returns.sum()
    }

    /// Copies came in or went missing.
    pub fn adjusted(
        &mut self,
        offer: usize,
        delta: i64,
        answer: Result<(i64, i64), &Refusal>,
    ) -> Result<(), Fault> {
        let available = self.available(offer);
        let has_one_room = ROOMS[OFFERS[offer].0] == 1;
        match answer {
            Ok(_) if available.most + delta < 0 => {
                fault(format!("{} copies went missing of {available}", -delta))
            }
            Ok(level) => {
                self.counted[offer] += delta;
                if has_one_room { self.shelf_seen(offer, level) } else { Ok(()) }
            }
            Err(refusal) => {
                refused_with("AdjustStock", refusal, &[Code::FailedPrecondition])?;
                // In which of several rooms orders found their copies is not known here.
                if delta >= 0 || (has_one_room && available.least + delta >= 0) {
                    return fault(format!("{delta} copies were refused, {available} are free"));
                }
                Ok(())
            }
        }
    }

    /// Copies were seen on the shelf, and how many of them are reserved.
    pub fn shelf_seen(&self, offer: usize, (on_hand, reserved): (i64, i64)) -> Result<(), Fault> {
        let (free, there) = (self.available(offer), self.on_hand(offer));
        let is_explained =
            there.holds(on_hand) && free.holds(on_hand - reserved) && (0..=on_hand).contains(&reserved);
        if is_explained {
            return Ok(());
        }
        fault(format!(
            "offer {offer}: {on_hand} on the shelf, {reserved} reserved; not {there} with {free} of them free"
        ))
    }

    /// Another price was asked for.
    pub fn priced(&mut self, offer: usize, price: i64) {
        self.prices[offer] = price;
    }
}

impl Order {
    /// How it changes what is free of an offer.
    fn takes(&self, offer: usize) -> Bounds {
        let copies = self.copies(offer);
        match &self.stage {
            // A time limit or a refused payment may have ended it.
            Stage::Pending { .. } | Stage::Cancelled { is_settled: false, .. } => Bounds::between(-copies, 0),
            Stage::Paid(_) => Bounds::exactly(-copies),
            Stage::Cancelled { is_settled: true, .. } => Bounds::exactly(0),
        }
    }
}
