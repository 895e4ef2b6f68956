//! A charge to a card: first authorised, then captured, or given back if nobody wants it any more.

use super::failure::Failure;

/// What the gateway is to be asked next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// To promise the amount.
    Authorise,
    /// To take it.
    Capture,
    /// To give the promise back.
    Void,
    /// Nothing: the amount was taken.
    Captured,
    /// Nothing: the amount was not taken, and won't be.
    Refused,
}

impl Step {
    /// As the database calls it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Authorise => "AUTHORISE",
            Self::Capture => "CAPTURE",
            Self::Void => "VOID",
            Self::Captured => "CAPTURED",
            Self::Refused => "REFUSED",
        }
    }

    /// Which one is called so.
    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::Authorise, Self::Capture, Self::Void, Self::Captured, Self::Refused]
            .into_iter()
            .find(|step| step.name() == name)
    }

    /// Whether the gateway is still to be asked.
    pub(crate) const fn is_open(self) -> bool {
        matches!(self, Self::Authorise | Self::Capture | Self::Void)
    }
}

/// Why a charge is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// Its card, or its order.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// The wallet that it was for.
    #[error("the wallet would hold more than it may")]
    WalletFull,
}

impl Refusal {
    /// As the database and the contract call it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Failure(failure) => failure.name(),
            Self::WalletFull => "WALLET_FULL",
        }
    }

    /// Which one is called so.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "WALLET_FULL" => Some(Self::WalletFull),
            name => Failure::named(name).map(Self::Failure),
        }
    }
}

/// Where a charge goes from `step` after the gateway's answer to what that step asks. `unwanted` is why it is to be
/// undone, if it is.
///
/// What can't be given back any more has been captured: asking for the capture again tells so.
pub(crate) fn after(
    step: Step,
    answer: Result<(), Failure>,
    unwanted: Option<Refusal>,
) -> (Step, Option<Refusal>) {
    match (step, answer) {
        (Step::Authorise, Ok(())) if unwanted.is_some() => (Step::Void, unwanted),
        (Step::Authorise, Ok(())) => (Step::Capture, None),
        (Step::Authorise | Step::Capture, Err(failure)) => {
            (Step::Refused, unwanted.or(Some(Refusal::Failure(failure))))
        }
        (Step::Capture, Ok(())) => (Step::Captured, unwanted),
        (Step::Void, Ok(())) => (Step::Refused, unwanted),
        (Step::Void, Err(_)) => (Step::Capture, unwanted),
        (Step::Captured | Step::Refused, _) => (step, unwanted),
    }
}

/// Where a charge stands that nobody wants any more; `was_asked` is whether the gateway may have heard of it.
pub(crate) const fn unwanted(step: Step, was_asked: bool) -> Step {
    match step {
        Step::Authorise if !was_asked => Step::Refused,
        Step::Capture => Step::Void,
        Step::Authorise | Step::Void | Step::Captured | Step::Refused => step,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CANCELLED: Option<Refusal> = Some(Refusal::Failure(Failure::OrderCancelled));

    /// A bank that has promised or taken an amount.
    #[derive(Default)]
    struct Bank {
        promised: bool,
        taken: bool,
    }

    impl Bank {
        fn answer(&mut self, step: Step, declines: bool) -> Result<(), Failure> {
            match step {
                Step::Authorise | Step::Capture if declines => return Err(Failure::CardDeclined),
                Step::Authorise => self.promised = true,
                Step::Capture => (self.promised, self.taken) = (false, true),
                Step::Void if self.taken => return Err(Failure::ProcessingError),
                Step::Void => self.promised = false,
                Step::Captured | Step::Refused => {}
            }
            Ok(())
        }
    }

    proptest! {
        #[test]
        fn a_charge_that_has_ended_holds_what_it_says_and_no_more(
            declines in prop::collection::vec(any::<bool>(), 2),
            lost in prop::collection::vec(any::<bool>(), 4),
            cancel_at in 0..6_usize,
        ) {
            let (mut bank, mut step, mut refusal) = (Bank::default(), Step::Authorise, None);
            for (turn, lost) in lost.into_iter().chain([false; 4]).enumerate() {
                if turn == cancel_at && step.is_open() {
                    (step, refusal) = (unwanted(step, turn > 0), CANCELLED);
                }
                if !step.is_open() {
                    break;
                }
                // An answer under a key is the same for ever: what was taken once isn't declined afterwards.
                let declines = match step {
                    Step::Authorise => declines[0] && !bank.promised,
                    Step::Capture => declines[1] && !bank.taken,
                    _ => false,
                };
                let answer = bank.answer(step, declines);
                if lost {
                    continue;
                }
                (step, refusal) = after(step, answer, refusal);
            }
            prop_assert!(!step.is_open(), "{step:?}");
            prop_assert_eq!(step == Step::Captured, bank.taken);
            if step == Step::Refused && !declines[1] {
                prop_assert!(!bank.promised, "a promise is left behind");
            }
            if step == Step::Refused {
                prop_assert!(refusal.is_some());
            }
        }
    }

    #[test]
    fn what_was_never_asked_for_needs_no_undoing() {
        assert_eq!(unwanted(Step::Authorise, false), Step::Refused);
        assert_eq!(unwanted(Step::Authorise, true), Step::Authorise);
    }

    #[test]
    fn names_are_read_back() {
        for step in [Step::Authorise, Step::Capture, Step::Void, Step::Captured, Step::Refused] {
            assert_eq!(Step::named(step.name()), Some(step));
        }
        for refusal in [Refusal::WalletFull, Refusal::Failure(Failure::CardExpired)] {
            assert_eq!(Refusal::named(refusal.name()), Some(refusal));
        }
    }
}
