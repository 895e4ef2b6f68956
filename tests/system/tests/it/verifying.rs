//! What `verify` sees: nothing in a shop that is as it must be, however busy, and each broken fact in one that is not.

mod broken;
mod busy;
mod facts;
mod history;
mod program;
