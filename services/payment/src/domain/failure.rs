//! Why nothing was taken, and nothing will be.

/// Why nothing was taken, and nothing will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// The wallet held less than the amount, or the card's account did.
    #[error("there is not enough money")]
    InsufficientFunds,
    /// The user is gone.
    #[error("the wallet is closed")]
    WalletClosed,
    /// The bank doesn't say why.
    #[error("the card was declined")]
    CardDeclined,
    /// The card is too old.
    #[error("the card has expired")]
    CardExpired,
    /// The security code is wrong.
    #[error("the card's security code is wrong")]
    IncorrectCvc,
    /// It was reported.
    #[error("the card was reported lost or stolen")]
    CardLostOrStolen,
    /// So the bank believes.
    #[error("the card's bank suspects fraud")]
    SuspectedFraud,
    /// The bank or the gateway could not say, and never will.
    #[error("the card could not be processed")]
    ProcessingError,
    /// The customer has no such card.
    #[error("there is no such card")]
    CardUnknown,
    /// The order was cancelled before anything was taken.
    #[error("the order was cancelled")]
    OrderCancelled,
}

impl Failure {
    const ALL: [Self; 10] = [
        Self::InsufficientFunds,
        Self::WalletClosed,
        Self::CardDeclined,
        Self::CardExpired,
        Self::IncorrectCvc,
        Self::CardLostOrStolen,
        Self::SuspectedFraud,
        Self::ProcessingError,
        Self::CardUnknown,
        Self::OrderCancelled,
    ];

    /// As the database and the contract call it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::InsufficientFunds => "INSUFFICIENT_FUNDS",
            Self::WalletClosed => "WALLET_CLOSED",
            Self::CardDeclined => "CARD_DECLINED",
            Self::CardExpired => "CARD_EXPIRED",
            Self::IncorrectCvc => "INCORRECT_CVC",
            Self::CardLostOrStolen => "CARD_LOST_OR_STOLEN",
            Self::SuspectedFraud => "SUSPECTED_FRAUD",
            Self::ProcessingError => "PROCESSING_ERROR",
            Self::CardUnknown => "CARD_UNKNOWN",
            Self::OrderCancelled => "ORDER_CANCELLED",
        }
    }

    /// Which one is called so.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|failure| failure.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use proto::payment::v1::FailureReason;

    use super::*;

    #[test]
    fn every_failure_is_one_of_the_contract_and_has_a_name_of_its_own() {
        for failure in Failure::ALL {
            assert_eq!(Failure::named(failure.name()), Some(failure));
            let reason = FailureReason::from(failure);
            assert_eq!(reason.as_str_name(), format!("FAILURE_REASON_{}", failure.name()));
        }
        assert_eq!(Failure::named("WALLET_FULL"), None);
    }
}
