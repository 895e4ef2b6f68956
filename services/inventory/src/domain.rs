//! What a reservation may become, and which copies it takes: functions of values, with no database and no clock.

mod adjustment;
mod book;
mod changes;
mod holdings;
mod picks;
mod reservation;

pub use adjustment::{Adjustment, AdjustmentKind, BelowReserved, Count, StockLevel};
pub use book::{Authors, AuthorsError, Categories, Category, CategoryError, LanguageCode, LanguageCodeError};
pub use book::{Description, PublishedYear, PublishedYearError, WorkIdentity};
pub use changes::{Changes, Movement, MovementKind, Opened, Settled, Shelf, StockChange};
pub use holdings::{Holdings, OfferFacts, Refusal, ReserveRequest, Short};
pub use picks::{Pick, pick};
pub use reservation::{Effect, Line, Reservation, ReservationKey, ReservationKeyError, State, Step, Trigger};
