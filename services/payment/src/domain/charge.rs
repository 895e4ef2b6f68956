//! Charging orders to wallets.

use std::collections::HashMap;

use values::{Currency, Money, UserId};

use super::failure::Failure;

/// What a wallet can pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wallet {
    /// Minor units of the wallet's currency.
    pub(crate) balance: i64,
    /// Closed for good.
    pub(crate) closed: bool,
}

/// An order's total, due from its customer's wallet of that currency.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Charge {
    /// Whose wallet.
    pub(crate) user: UserId,
    /// The order's total.
    pub(crate) total: Money,
}

/// The wallets of the customers whose orders are decided.
pub(crate) type Wallets = HashMap<(UserId, Currency), Wallet>;

/// Decides each charge in its turn; a wallet that pays one has less for the next.
///
/// `wallets` are left with what remains in them. One that isn't among them was never opened, so it is empty.
pub(crate) fn decide(charges: &[Charge], wallets: &mut Wallets) -> Vec<Result<(), Failure>> {
    charges
        .iter()
        .map(|charge| {
            let key = (charge.user, charge.total.currency());
            let wallet = wallets.get_mut(&key).ok_or(Failure::InsufficientFunds)?;
            if wallet.closed {
                return Err(Failure::WalletClosed);
            }
            if wallet.balance < charge.total.minor_units() {
                return Err(Failure::InsufficientFunds);
            }
            wallet.balance -= charge.total.minor_units();
            Ok(())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    const USER: UserId = UserId::from_uuid(Uuid::nil());
    const KEY: (UserId, Currency) = (USER, Currency::EUR);

    fn wallet(balance: i64, closed: bool) -> Wallets {
        Wallets::from([(KEY, Wallet { balance, closed })])
    }

    fn charges(totals: &[i64]) -> Vec<Charge> {
        totals.iter().map(|total| Charge { user: USER, total: Money::new(*total, Currency::EUR) }).collect()
    }

    #[test]
    fn the_first_to_come_is_served_and_a_smaller_one_may_still_fit() {
        let mut wallets = wallet(10_00, false);
        let decided = decide(&charges(&[7_00, 4_00, 3_00]), &mut wallets);
        assert_eq!(decided, [Ok(()), Err(Failure::InsufficientFunds), Ok(())]);
        assert_eq!(wallets[&KEY].balance, 0);
    }

    #[test]
    fn a_closed_wallet_pays_nothing() {
        let mut wallets = wallet(10_00, true);
        assert_eq!(decide(&charges(&[1]), &mut wallets), [Err(Failure::WalletClosed)]);
        assert_eq!(wallets[&KEY].balance, 10_00);
    }

    #[test]
    fn a_wallet_of_another_currency_does_not_help() -> Result<(), values::CurrencyError> {
        let charge = Charge { user: USER, total: Money::new(1, "USD".parse()?) };
        assert_eq!(decide(&[charge], &mut wallet(10_00, false)), [Err(Failure::InsufficientFunds)]);
        Ok(())
    }

    proptest! {
        #[test]
        fn no_wallet_is_ever_overdrawn(balance in 0..100_000_i64, totals in prop::collection::vec(1..20_000_i64, 0..50)) {
            let mut wallets = wallet(balance, false);
            let decided = decide(&charges(&totals), &mut wallets);
            let taken: i64 =
                totals.iter().zip(&decided).filter(|(_, decision)| decision.is_ok()).map(|(total, _)| total).sum();
            prop_assert_eq!(wallets[&KEY].balance, balance - taken);
            prop_assert!(taken <= balance);
        }
    }
}
