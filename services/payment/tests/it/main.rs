//! The payment service as others see it: over gRPC and through events, on real Postgres and NATS.

mod card_orders;
mod cards;
mod charges;
mod faults;
mod input;
mod ledger;
mod races;
mod random;
mod refunds;
mod shop;
mod staff;
mod traces;
mod users;
mod wallets;
mod withdrawals;
