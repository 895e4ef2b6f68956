//! What is told and in which words. No I/O, no clock.

pub(crate) mod letter;
pub(crate) mod news;
