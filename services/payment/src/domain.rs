//! What may happen to money, as functions of values.

pub(crate) mod charge;
pub(crate) mod payment;
pub(crate) mod refund;
pub(crate) mod wallet;
