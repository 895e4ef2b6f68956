//! The identity service: users, their credentials and their addresses.

mod config;
mod domain;
mod error;
mod events;
mod passwords;
mod rpc;
mod store;

use auth::{Issuer, Verifier};
use proto::identity::v1::identity_service_server::IdentityServiceServer;
use server::{Application, BuildError, Context, Service, SqlMigration};

pub use config::Config;

/// The identity service.
#[derive(Debug)]
pub struct Identity;

impl Application for Identity {
    const NAME: &'static str = "identity";
    const PORT: u16 = 50051;
    const MIGRATIONS: &'static [SqlMigration] = server::migrations!("0001_users", "0002_addresses");
    type Config = Config;

    async fn build(config: Config, context: &Context) -> Result<Service, BuildError> {
        let public_keys = vec![config.signing_key.public().clone()];
        let relay = context.relay("IDENTITY");
        let identity = rpc::IdentityService {
            db: context.db.clone(),
            clock: context.clock.clone(),
            passwords: passwords::Passwords::new(config.password_hashes.get().into()),
            issuer: Issuer::new(config.signing_key, config.token_ttl),
            public_keys: public_keys.clone(),
            relay: relay.wake_handle(),
        };
        Ok(Service::new(Self::NAME, Verifier::with_keys(public_keys))
            .rpc(IdentityServiceServer::new(identity))
            .task("relay", relay.run(context.stop.clone())))
    }
}
