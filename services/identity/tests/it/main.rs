//! identity as its callers see it: over gRPC, on real Postgres and real NATS.

mod addresses;
mod configuration;
mod database_down;
mod desk;
mod first_admin;
mod get_user;
mod registered_event;
mod registering;
mod roles;
mod sessions;
mod signing_in;
mod upgrade;
