//! `bookstore` as its users run it: as a process, against a real gateway and the real services.

mod cards;
mod dead_letters;
mod failures;
mod fulfilment;
mod importing;
mod lost_answers;
mod ordering;
mod people;
mod renewing;
mod roles;
mod shop;
mod signing_in;
mod terminal;
