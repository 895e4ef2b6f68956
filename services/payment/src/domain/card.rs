//! The cards that customers pay with.

use chrono::{DateTime, Utc};
use values::CardId;

/// A card, as its customer may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Card {
    /// Its id.
    pub(crate) id: CardId,
    /// `visa`.
    pub(crate) brand: String,
    /// The last digits of its number.
    pub(crate) last4: String,
    /// 1 to 12.
    pub(crate) expire_month: i16,
    /// The year.
    pub(crate) expire_year: i16,
    /// When it was added.
    pub(crate) created_at: DateTime<Utc>,
}
