//! Telling what is done, in cargo's manner.

use std::fmt::Display;

/// `    Starting identity`: a verb, and what it is done to.
pub(crate) fn doing(verb: &str, what: impl Display) {
    eprintln!("{verb:>12} {what}");
}
