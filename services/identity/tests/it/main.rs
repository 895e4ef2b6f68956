//! identity as its callers see it: over gRPC, on real Postgres and real NATS.

mod address_changes;
mod addresses;
mod configuration;
mod contacts;
mod database_down;
mod desk;
mod first_admin;
mod get_user;
mod list_users;
mod profile;
mod registered_event;
mod registering;
mod roles;
mod sessions;
mod signing_in;
mod upgrade;
