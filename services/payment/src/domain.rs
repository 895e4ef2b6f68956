//! What may happen to money, as functions of values.

pub(crate) mod charge;
pub(crate) mod refund;
