//! Charging orders to wallets.

use std::collections::HashMap;

use uuid::Uuid;
use values::Money;

/// Why nothing was taken for an order, and nothing will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The wallet holds less than the total.
    InsufficientFunds,
    /// The user is gone.
    WalletClosed,
}

/// What a wallet can pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wallet {
    /// Minor units of the wallet's currency.
    pub(crate) balance: i64,
    /// Closed for good.
    pub(crate) closed: bool,
}

/// An order's total, due from the wallet of its currency.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Charge {
    /// Account id of the wallet.
    pub(crate) wallet: Uuid,
    /// The order's total.
    pub(crate) total: Money,
}

/// Decides each charge in its turn; a wallet that pays one has less for the next.
///
/// `wallets` are left with what remains in them. A charge on a wallet that isn't among them is refused as if it were
/// empty.
pub(crate) fn decide(charges: &[Charge], wallets: &mut HashMap<Uuid, Wallet>) -> Vec<Result<(), Refusal>> {
    charges
        .iter()
        .map(|charge| {
            let wallet = wallets.get_mut(&charge.wallet).ok_or(Refusal::InsufficientFunds)?;
            if wallet.closed {
                return Err(Refusal::WalletClosed);
            }
            if wallet.balance < charge.total.minor_units() {
                return Err(Refusal::InsufficientFunds);
            }
            wallet.balance -= charge.total.minor_units();
            Ok(())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn eur(minor_units: i64) -> Money {
        Money::new(minor_units, "EUR".parse().unwrap())
    }

    fn wallet(balance: i64, closed: bool) -> HashMap<Uuid, Wallet> {
        HashMap::from([(Uuid::nil(), Wallet { balance, closed })])
    }

    fn charges(totals: &[i64]) -> Vec<Charge> {
        totals.iter().map(|total| Charge { wallet: Uuid::nil(), total: eur(*total) }).collect()
    }

    #[test]
    fn the_first_to_come_is_served_and_a_smaller_one_may_still_fit() {
        let mut wallets = wallet(10_00, false);

        let decided = decide(&charges(&[7_00, 4_00, 3_00]), &mut wallets);

        assert_eq!(decided, [Ok(()), Err(Refusal::InsufficientFunds), Ok(())]);
        assert_eq!(wallets[&Uuid::nil()].balance, 0);
    }

    #[test]
    fn a_closed_wallet_pays_nothing() {
        let mut wallets = wallet(10_00, true);

        assert_eq!(decide(&charges(&[1]), &mut wallets), [Err(Refusal::WalletClosed)]);
        assert_eq!(wallets[&Uuid::nil()].balance, 10_00);
    }

    proptest! {
        #[test]
        fn no_wallet_is_ever_overdrawn(balance in 0..100_000_i64, totals in prop::collection::vec(1..20_000_i64, 0..50)) {
            let mut wallets = wallet(balance, false);

            let decided = decide(&charges(&totals), &mut wallets);

            let taken: i64 = totals.iter().zip(&decided).filter(|(_, decision)| decision.is_ok()).map(|(total, _)| total).sum();
            prop_assert_eq!(wallets[&Uuid::nil()].balance, balance - taken);
            prop_assert!(taken <= balance);
        }
    }
}
