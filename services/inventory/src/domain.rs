//! What a reservation may become, and which copies it takes: functions of values, with no database and no clock.

mod adjustment;
mod book;
mod changes;
mod facts;
mod feed;
mod holdings;
mod intake;
mod picks;
mod reservation;
mod returns;

pub(crate) use adjustment::{Adjustment, AdjustmentKind, BelowReserved, Count, StockLevel};
pub(crate) use book::{
    Authors, AuthorsError, Categories, Category, Description, LanguageCode, PublishedYear, WorkIdentity,
};
pub(crate) use changes::{Changes, Opened, Settled, Shelf};
pub(crate) use facts::{Corrections, Facts, Refused, Standing, recategorised};
pub(crate) use feed::{Entry, RawRow, Report};
pub(crate) use holdings::{Holdings, OfferFacts, Refusal, ReserveRequest};
pub(crate) use intake::{Counted, Fed, Intake, Known, Offered, Outcome, Written};
pub(crate) use picks::{Pick, Wanted, pick};
pub(crate) use reservation::{Effect, Line, Reservation, ReservationKey, State, Trigger};
pub(crate) use returns::{CannotPutBack, put_back};
