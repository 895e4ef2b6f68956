//! `bookstore` as its users run it: as a process, against the real services.

mod failures;
mod ordering;
mod shop;
mod signing_in;
mod terminal;
