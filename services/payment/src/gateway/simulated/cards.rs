//! The cards that the simulated gateway knows.

use super::memory::Kind;
use crate::{domain::failure::Failure, gateway::Face};

/// How many calls under one key get no answer, of a card that is slow to begin with.
const SILENT_CALLS: i32 = 2;

/// When the gateway speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// At once.
    Prompt,
    /// The first calls under a key do nothing and get no answer.
    SilentAtFirst,
    /// The first call under a key is worked on, but its answer comes when nobody listens any more.
    Late,
}

/// One of the gateway's test cards.
#[derive(Clone, Copy, Debug)]
pub(super) struct TestCard {
    token: &'static str,
    brand: &'static str,
    last4: &'static str,
    expires: (i16, i16),
    pub(super) manner: Manner,
    declines: Option<(Kind, Failure)>,
}

impl TestCard {
    const fn good(token: &'static str, brand: &'static str, last4: &'static str) -> Self {
        Self { token, brand, last4, expires: (12, 2044), manner: Manner::Prompt, declines: None }
    }

    const fn declining(token: &'static str, last4: &'static str, failure: Failure) -> Self {
        Self { declines: Some((Kind::Authorise, failure)), ..Self::good(token, "visa", last4) }
    }

    pub(super) fn face(&self) -> Face {
        let (expire_month, expire_year) = self.expires;
        Face { brand: self.brand.to_owned(), last4: self.last4.to_owned(), expire_month, expire_year }
    }

    /// Why its bank refuses this, if it does.
    pub(super) fn declines(&self, kind: Kind) -> Option<Failure> {
        self.declines.filter(|(declined, _)| *declined == kind).map(|(_, failure)| failure)
    }

    /// Whether this call under a key, the first being 1, is neither worked on nor answered.
    pub(super) fn ignores(&self, call: i32) -> bool {
        self.manner == Manner::SilentAtFirst && call <= SILENT_CALLS
    }

    /// Whether this call is answered when nobody listens any more.
    pub(super) fn answers_late(&self, call: i32) -> bool {
        self.manner == Manner::Late && call == 1
    }
}

const CARDS: [TestCard; 14] = [
    TestCard::good("tok_visa", "visa", "4242"),
    TestCard::good("tok_mastercard", "mastercard", "4444"),
    TestCard::declining("tok_declined", "0002", Failure::CardDeclined),
    TestCard::declining("tok_insufficient_funds", "9995", Failure::InsufficientFunds),
    TestCard { expires: (1, 2020), ..TestCard::declining("tok_expired", "0069", Failure::CardExpired) },
    TestCard::declining("tok_incorrect_cvc", "0127", Failure::IncorrectCvc),
    TestCard::declining("tok_lost", "9987", Failure::CardLostOrStolen),
    TestCard::declining("tok_fraud", "0019", Failure::SuspectedFraud),
    TestCard::declining("tok_processing_error", "0119", Failure::ProcessingError),
    TestCard { manner: Manner::SilentAtFirst, ..TestCard::good("tok_timeout_then_success", "visa", "3055") },
    TestCard { manner: Manner::Late, ..TestCard::good("tok_late_success", "visa", "3063") },
    TestCard {
        manner: Manner::Late,
        ..TestCard::declining("tok_late_decline", "3097", Failure::CardDeclined)
    },
    TestCard {
        declines: Some((Kind::Refund, Failure::ProcessingError)),
        ..TestCard::good("tok_refund_fails", "visa", "5126")
    },
    TestCard {
        declines: Some((Kind::PayOut, Failure::CardDeclined)),
        ..TestCard::good("tok_payout_declined", "visa", "5134")
    },
];

pub(super) fn find(token: &str) -> Option<&'static TestCard> {
    CARDS.iter().find(|card| card.token == token)
}
