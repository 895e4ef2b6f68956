use tonic::Code;

use super::{
    Answer, CARDS, CUSTOMERS, Fault, Model, Order, Pay, Refusal, Stage, bounds::Bounds, fault, refused_with,
};

impl Model {
    /// What a wallet holds.
    pub(super) fn balance(&self, customer: usize) -> Bounds {
        self.balance_without(customer, None)
    }

    fn balance_without(&self, customer: usize, but: Option<usize>) -> Bounds {
        let orders = self.orders.iter().filter(|(attempt, order)| {
            order.customer == customer && order.pay == Pay::Wallet && Some(**attempt) != but
        });
        Bounds::exactly(self.paid_in[customer])
            + orders.map(|(attempt, order)| self.cost(*attempt, order)).sum()
    }

    /// How an order changes the wallet that it is paid from.
    fn cost(&self, attempt: usize, order: &Order) -> Bounds {
        let total = order.total();
        match &order.stage {
            Stage::Pending { .. } | Stage::Cancelled { is_settled: false, .. } => Bounds::between(-total, 0),
            Stage::Paid(_) => Bounds::exactly(-total) + self.given_back(attempt, order),
            Stage::Cancelled { is_settled: true, .. } => Bounds::exactly(0),
        }
    }

    /// What staff and accepted returns gave back of a paid order: never more than was paid.
    pub(super) fn given_back(&self, attempt: usize, order: &Order) -> Bounds {
        let mut back = Bounds::exactly(order.given);
        for returned in self.returns.values().filter(|returned| returned.order == attempt) {
            let Answer::Accepted { is_settled, .. } = returned.answer else { continue };
            let amount = returned.lines.iter().map(|(offer, copies)| copies * order.price(*offer)).sum();
            back = back + Bounds::between(if is_settled { amount } else { 0 }, amount);
        }
        let total = order.total();
        Bounds::between(back.least.min(total), back.most.min(total))
    }

    /// Money came from a card into a wallet.
    pub fn topped_up(
        &mut self,
        customer: usize,
        card: usize,
        amount: i64,
        answer: Result<(), &Refusal>,
    ) -> Result<(), Fault> {
        let (token, refused) = CARDS[card];
        match (answer, refused) {
            (Ok(()), None) => self.paid_in[customer] += amount,
            (Err(refusal), Some(_)) => refused_with("TopUp", refusal, &[Code::FailedPrecondition])?,
            (answer, _) => return fault(format!("TopUp by {token}: {answer:?}")),
        }
        self.note_wallets();
        Ok(())
    }

    /// Money left a wallet for a card.
    pub fn withdrew(
        &mut self,
        customer: usize,
        amount: i64,
        answer: Result<(), &Refusal>,
    ) -> Result<(), Fault> {
        let balance = self.balance(customer);
        match answer {
            Ok(()) if balance.most < amount => return fault(format!("{amount} were withdrawn of {balance}")),
            Ok(()) => self.paid_in[customer] -= amount,
            Err(refusal) => {
                refused_with("Withdraw", refusal, &[Code::FailedPrecondition])?;
                if balance.least >= amount {
                    return fault(format!("Withdraw: {amount} were refused, the wallet holds {balance}"));
                }
            }
        }
        self.note_wallets();
        Ok(())
    }

    /// A wallet was looked into.
    pub fn balance_seen(&self, customer: usize, amount: i64) -> Result<(), Fault> {
        let balance = self.balance(customer);
        if amount >= 0 && balance.holds(amount) {
            return Ok(());
        }
        fault(format!("the wallet of customer {customer} holds {amount}, not {balance}"))
    }

    /// What each open order may have found in its wallet grows with all that happens to it.
    pub(super) fn note_wallets(&mut self) {
        for customer in 0..CUSTOMERS {
            let open: Vec<usize> = self
                .orders
                .iter()
                .filter(|(_, order)| {
                    order.customer == customer && matches!(order.stage, Stage::Pending { .. })
                })
                .map(|(attempt, _)| *attempt)
                .collect();
            for attempt in open {
                let now = self.balance_without(customer, Some(attempt));
                if let Some(Order { stage: Stage::Pending { most, least }, .. }) =
                    self.orders.get_mut(&attempt)
                {
                    *most = now.most.max(*most);
                    *least = now.least.min(*least);
                }
            }
        }
    }
}
