//! `bookstore` as its users run it: as a process, against a real gateway and the real services.

mod dead_letters;
mod failures;
mod ordering;
mod roles;
mod shop;
mod signing_in;
mod terminal;
