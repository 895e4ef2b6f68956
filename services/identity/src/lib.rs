//! The identity service: users, their credentials, sessions, roles and addresses.

mod access;
mod config;
mod domain;
mod error;
mod events;
mod first_admin;
mod passwords;
mod proof;
mod refresh;
mod rpc;
mod sign_in;
mod store;
mod sweeper;

use auth::{Issuer, Verifier};
use proto::identity::v1::identity_service_server::IdentityServiceServer;
use server::{Application, BuildError, Context, Service, SqlMigration};

pub use config::{Config, FirstAdmin};

/// The identity service.
#[derive(Debug)]
pub struct Identity;

impl Application for Identity {
    const NAME: &'static str = "identity";
    const PORT: u16 = 50051;
    const MIGRATIONS: &'static [SqlMigration] = server::migrations!(
        "0001_users",
        "0002_addresses",
        "0003_roles",
        "0004_sessions",
        "0005_permissions",
        "0006_profiles",
        "0007_refresh_tokens",
        "0008_deleted_users"
    );
    type Config = Config;

    async fn build(config: Config, context: &Context) -> Result<Service, BuildError> {
        let public_keys = vec![config.signing_key.public().clone()];
        let verifier = Verifier::with_keys(public_keys.clone());
        let relay = context.relay("IDENTITY");
        let identity = rpc::IdentityService {
            db: context.db.clone(),
            clock: context.clock.clone(),
            passwords: passwords::Passwords::new(config.password_hashes.get().into()),
            refresh_tokens: refresh::RefreshTokens::new(&config.signing_key, config.refresh_token_ttl),
            issuer: Issuer::new(config.signing_key, config.token_ttl),
            public_keys,
            relay: relay.wake_handle(),
            revocations: verifier.revocations().clone(),
            verifier: verifier.clone(),
        };
        first_admin::appoint(&identity, config.first_admin).await?;
        Ok(Service::new(Self::NAME, verifier)
            .rpc(IdentityServiceServer::new(identity))
            .task("relay", relay.run(context.stop.clone()))
            .task(
                "sweeper",
                sweeper::run(context.db.clone(), config.refresh_token_ttl, context.stop.clone()),
            ))
    }
}
