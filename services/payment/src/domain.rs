//! What may happen to money, as functions of values.

pub(crate) mod card;
pub(crate) mod card_charge;
pub(crate) mod charge;
pub(crate) mod failure;
pub(crate) mod payment;
pub(crate) mod refund;
pub(crate) mod wallet;
pub(crate) mod withdrawal;
