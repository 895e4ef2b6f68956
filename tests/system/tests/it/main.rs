//! The whole shop on one machine: every way an order can go, and every part of the shop broken under it.

mod accounts;
mod bad_fields;
mod broker_faults;
mod cancelling;
mod cards;
mod controls;
mod crashes;
mod expiring;
mod hops;
mod importing;
mod mails;
mod modelled;
mod outages;
mod ownership;
mod placing;
mod racing;
mod redelivery;
mod returning;
mod revoking;
mod shipping;
mod torture;
mod tracing;
mod verifying;
mod watching;
