//! Events that come again, late or in another order, and a broker that forgets.

pub(crate) mod digest;
mod history;
mod lost;
mod quiet;
mod replayed;
