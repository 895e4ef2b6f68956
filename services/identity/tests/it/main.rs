//! identity as its callers see it: over gRPC, on real Postgres and real NATS.

mod address_changes;
mod addresses;
mod changing_password;
mod configuration;
mod contacts;
mod crowd;
mod database_down;
mod deleting;
mod desk;
mod first_admin;
mod get_user;
mod list_users;
mod profile;
mod refreshing;
mod registered_event;
mod registering;
mod registering_late;
mod roles;
mod sessions;
mod signing_in;
mod signing_keys;
mod upgrade;
mod validating;
