//! The database: every query.
//!
//! **Locks.** Whoever moves money locks payments that exist in the order of their orders' ids, then charges to cards
//! and their errands in the order of their ids, then wallets in the order of theirs, and only then inserts payments: all
//! with one statement, in the order of their orders' ids. So nobody waits in a circle. House accounts are never locked:
//! their balance is a sum. Who takes errands holds nothing else.

pub(crate) mod card_charges;
pub(crate) mod card_payments;
pub(crate) mod cards;
pub(crate) mod charges;
pub(crate) mod entries;
pub(crate) mod errands;
pub(crate) mod payments;
pub(crate) mod records;
pub(crate) mod refunds;
pub(crate) mod top_ups;
pub(crate) mod wallets;
pub(crate) mod withdrawals;

use server::database::{money, sql, stored};
