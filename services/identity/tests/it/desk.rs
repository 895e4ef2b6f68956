//! A running identity service, and what tests ask of it.

use std::num::NonZeroU16;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use auth::{Issuer, SigningKey};
use identity::{Config, Identity};
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use proto::identity::v1::{AuthenticateUserRequest, CreateAddressRequest, CreateUserRequest, User};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use secrecy::ExposeSecret;
use testkit::{Database, Gate, PEER_SECRET, Running};
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use values::{Clock, SessionId, UserId};

pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// Where no broker is: registering and signing in must need none.
pub(crate) const NO_BROKER: &str = "nats://127.0.0.1:9";

pub(crate) type Client = IdentityServiceClient<Channel>;

pub(crate) struct Desk {
    pub(crate) client: Client,
    pub(crate) database: Database,
    pub(crate) key: SigningKey,
    _running: Running,
}

/// A signed-in user.
pub(crate) struct Reader {
    pub(crate) id: UserId,
    pub(crate) token: String,
}

impl Desk {
    pub(crate) async fn open() -> Result<Self> {
        Self::open_with(NO_BROKER, |_| {}).await
    }

    pub(crate) async fn open_with(nats_url: &str, change: impl FnOnce(&mut Config)) -> Result<Self> {
        let database = testkit::database::<Identity>().await?;
        let url = database.url().to_owned();
        Self::open_on(database, &url, nats_url, change).await
    }

    /// A desk whose database can be taken away.
    pub(crate) async fn open_behind_a_gate() -> Result<(Self, Gate)> {
        let database = testkit::database::<Identity>().await?;
        let (gate, url) = Gate::before(database.url()).await?;
        Ok((Self::open_on(database, &url, NO_BROKER, |_| {}).await?, gate))
    }

    async fn open_on(
        database: Database,
        database_url: &str,
        nats_url: &str,
        change: impl FnOnce(&mut Config),
    ) -> Result<Self> {
        let (key, _) = SigningKey::generate();
        let server = server::Config::new(database_url, nats_url, PEER_SECRET);
        let mut config = Config::new(server, key.clone());
        // Tests of crowds want the same queue on every machine.
        config.password_hashes = NonZeroU16::new(4).context("four")?;
        change(&mut config);
        let running = testkit::running::<Identity>(config).await?;
        let channel = running.channel()?;
        Ok(Self { client: Client::new(channel), database, key, _running: running })
    }

    /// Registers a user and signs them in.
    pub(crate) async fn reader(&self, email: &str) -> Result<Reader> {
        let mut client = self.client.clone();
        client.create_user(registration("r-1", email)).await?;
        let signed_in = client.authenticate_user(sign_in(email, PASSWORD)).await?.into_inner();
        Ok(Reader { id: user_of(signed_in.user)?.user_id.parse()?, token: signed_in.access_token })
    }

    /// A valid token of a user who isn't there.
    pub(crate) fn token_of_nobody(&self) -> Result<String> {
        let issuer = Issuer::new(self.key.clone(), Duration::from_mins(1));
        let access = issuer.issue(UserId::new(), SessionId::new(), Clock::system().now())?;
        Ok(access.token.expose_secret().to_owned())
    }

    /// Counts what a query finds.
    pub(crate) async fn count(&self, query: &str) -> Result<i64> {
        let db = self.database.connect().await?;
        let statement =
            Statement::from_string(DbBackend::Postgres, format!("SELECT count(*) AS n FROM {query}"));
        Ok(db.query_one_raw(statement).await?.context("no row")?.try_get("", "n")?)
    }
}

pub(crate) fn registration(request_id: &str, email: &str) -> CreateUserRequest {
    CreateUserRequest {
        request_id: request_id.to_owned(),
        email: email.to_owned(),
        password: PASSWORD.to_owned(),
        display_name: "Ada Lovelace".to_owned(),
    }
}

pub(crate) fn sign_in(email: &str, password: &str) -> AuthenticateUserRequest {
    AuthenticateUserRequest { email: email.to_owned(), password: password.to_owned() }
}

pub(crate) fn address(request_id: &str) -> CreateAddressRequest {
    CreateAddressRequest {
        request_id: request_id.to_owned(),
        recipient: "Ada Lovelace".to_owned(),
        lines: vec!["12 St James's Square".to_owned(), "Second floor".to_owned()],
        city: "London".to_owned(),
        region: String::new(),
        postal_code: "SW1Y 4JH".to_owned(),
        country_code: "GB".to_owned(),
    }
}

pub(crate) fn user_of(user: Option<User>) -> Result<User> {
    user.context("the answer names no user")
}

/// The answer must be a refusal.
pub(crate) fn status_of<T>(answer: Result<T, Status>) -> Result<Status> {
    answer.err().context("not refused")
}

/// The answer must be a refusal with this code; its reason is returned.
pub(crate) fn refused<T>(answer: Result<T, Status>, code: Code) -> Result<String> {
    reason(&status_of(answer)?, code)
}

/// The reason that a status with this code gives.
pub(crate) fn reason(status: &Status, code: Code) -> Result<String> {
    ensure!(status.code() == code, "{code:?} expected: {status:?}");
    let info = status.get_details_error_info().context("no ErrorInfo")?;
    ensure!(info.domain == "bookstore", "another domain: {}", info.domain);
    Ok(info.reason)
}

/// The answer must be `INVALID_ARGUMENT`; the fields that it names are returned.
pub(crate) fn wrong_fields<T>(answer: Result<T, Status>) -> Result<Vec<String>> {
    let status = status_of(answer)?;
    ensure!(status.code() == Code::InvalidArgument, "INVALID_ARGUMENT expected: {status:?}");
    let details = status.get_details_bad_request().context("no BadRequest")?;
    Ok(details.field_violations.into_iter().map(|violation| violation.field).collect())
}
