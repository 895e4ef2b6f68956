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
mod registration;
mod rpc;
mod sign_in;
mod signing_keys;
mod store;
mod sweeper;

use std::sync::Arc;

use auth::Verifier;
use proto::identity::v1::identity_service_server::IdentityServiceServer;
use server::{Application, BuildError, Context, Service, SqlMigration, database::patiently};

use error::Error;
use first_admin::FirstAdminError;
use signing_keys::SigningKeys;

pub use config::{Config, FirstAdmin};

/// The identity service.
#[derive(Debug)]
pub struct Identity;

#[tonic::async_trait]
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
        "0008_deleted_users",
        "0009_signing_keys",
        "0010_registrations"
    );
    type Config = Config;

    async fn build(config: Config, context: &Context) -> Result<Service, BuildError> {
        let refresh_tokens = refresh::RefreshTokens::new(&config.signing_key, config.refresh_token_ttl);
        let registrations = registration::Registrations::new(&config.signing_key);
        let verifier = Verifier::with_keys(Vec::new());
        let keys = Arc::new(SigningKeys::new(
            config.signing_key,
            config.signing_key_lead,
            config.signing_key_period,
            verifier.clone(),
        ));
        patiently(|| keys.reload(&context.db), Error::is_database_down).await?;
        let relay = context.relay("IDENTITY");
        let identity = rpc::IdentityService {
            db: context.db.clone(),
            clock: context.clock.clone(),
            passwords: passwords::Passwords::new(config.password_hashes.get().into()),
            keys: Arc::clone(&keys),
            token_ttl: config.token_ttl,
            refresh_tokens,
            registrations,
            relay: relay.wake_handle(),
            revocations: verifier.revocations().clone(),
            verifier: verifier.clone(),
        };
        patiently(|| first_admin::appoint(&identity, &config.first_admin), FirstAdminError::is_database_down)
            .await?;
        let sweeper = sweeper::Sweeper {
            db: context.db.clone(),
            keys: Arc::clone(&keys),
            refresh_token_ttl: config.refresh_token_ttl,
        };
        Ok(Service::new(Self::NAME, verifier)
            .rpc(IdentityServiceServer::new(identity))
            .task("relay", relay.run(context.stop.clone()))
            .task("signing keys", signing_keys::follow(keys, context.db.clone(), context.stop.clone()))
            .task("sweeper", sweeper.run(context.stop.clone())))
    }
}
