//! A running identity service, and what tests ask of it.

use std::num::NonZeroU16;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use auth::{Access, Customer, Issuer, SigningKey, Verifier};
use identity::{Config, FirstAdmin, Identity};
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use proto::identity::v1::{
    AuthenticateUserRequest, AuthenticateUserResponse, CreateAddressRequest, CreateUserRequest,
    GetUserRequest, GrantRoleRequest, User,
};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use secrecy::ExposeSecret;
use testkit::{Broker, Database, Gate, Published, Running, as_user, eventually, published};
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use values::{Clock, SessionId, UserId};

pub(crate) const PASSWORD: &str = "correct horse battery staple";
pub(crate) const ADMIN: &str = "admin@example.org";

/// Until something becomes visible elsewhere, on a machine that is busy with other tests.
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) type Client = IdentityServiceClient<Channel>;

pub(crate) struct Desk {
    pub(crate) client: Client,
    pub(crate) database: Database,
    pub(crate) broker: Broker,
    pub(crate) key: SigningKey,
    running: Running,
}

/// Another process of the same identity.
pub(crate) struct Replica {
    pub(crate) client: Client,
    _running: Running,
}

/// A signed-in user.
#[derive(Clone)]
pub(crate) struct Reader {
    pub(crate) id: UserId,
    pub(crate) token: String,
    /// Gets the next tokens.
    pub(crate) refresh_token: String,
}

impl Desk {
    pub(crate) async fn open() -> Result<Self> {
        Self::open_with(|_| {}).await
    }

    /// A desk whose first admin can sign in.
    pub(crate) async fn open_with_admin() -> Result<(Self, Reader)> {
        let first_admin = FirstAdmin::new(ADMIN, PASSWORD)?;
        let desk = Self::open_with(|config| config.first_admin = first_admin).await?;
        let admin = desk.sign_in(ADMIN).await?;
        Ok((desk, admin))
    }

    pub(crate) async fn open_with(change: impl FnOnce(&mut Config)) -> Result<Self> {
        let database = testkit::database::<Identity>().await?;
        Self::open_on(database, Broker::start().await?, change).await
    }

    /// A desk whose database can be taken away.
    pub(crate) async fn open_behind_a_gate() -> Result<(Self, Gate)> {
        let database = testkit::database::<Identity>().await?;
        let (gate, url) = Gate::before(database.url()).await?;
        let behind = |config: &mut Config| config.server.database_url = url.into();
        Ok((Self::open_on(database, Broker::start().await?, behind).await?, gate))
    }

    pub(crate) async fn open_on(
        database: Database,
        broker: Broker,
        change: impl FnOnce(&mut Config),
    ) -> Result<Self> {
        let (key, _) = SigningKey::generate();
        let mut config = config(&database, &broker, &key)?;
        change(&mut config);
        let running = testkit::running::<Identity>(config).await?;
        let client = Client::new(running.channel()?);
        Ok(Self { client, database, broker, key, running })
    }

    /// How another service of the shop calls.
    pub(crate) fn client_as(&self, service: &str) -> Result<Client> {
        Ok(Client::new(self.running.channel_as(service)?))
    }

    /// Starts another replica.
    pub(crate) async fn replica(&self) -> Result<Replica> {
        self.replica_with_key(&self.key).await
    }

    /// Starts another replica, with another key than the others perhaps.
    pub(crate) async fn replica_with_key(&self, key: &SigningKey) -> Result<Replica> {
        let config = config(&self.database, &self.broker, key)?;
        let running = testkit::running::<Identity>(config).await?;
        Ok(Replica { client: Client::new(running.channel()?), _running: running })
    }

    /// Registers a user and signs them in.
    pub(crate) async fn reader(&self, email: &str) -> Result<Reader> {
        self.client.clone().create_user(registration("r-1", email)).await?;
        self.sign_in(email).await
    }

    pub(crate) async fn sign_in(&self, email: &str) -> Result<Reader> {
        let answer = self.client.clone().authenticate_user(sign_in(email, PASSWORD)).await?.into_inner();
        reader(answer)
    }

    /// Gives a role to a user.
    pub(crate) async fn grant(&self, admin: &Reader, user: UserId, role: &str) -> Result<User> {
        let request = GrantRoleRequest { user_id: user.to_string(), role: role.to_owned() };
        Ok(self.client.clone().grant_role(as_user(&admin.token, request)?).await?.into_inner())
    }

    /// What the token says to whoever has the public key and knows of no revocation.
    pub(crate) async fn told_by(&self, token: &str) -> Result<Customer> {
        let verifier = Verifier::with_keys(vec![self.key.public().clone()]);
        Ok(verifier.verify(token, Clock::system().now()).await?)
    }

    /// A valid token of a user who isn't there.
    pub(crate) fn token_of_nobody(&self) -> Result<String> {
        self.token_of(UserId::new())
    }

    /// A valid token of a session that was never recorded.
    pub(crate) fn token_of(&self, user: UserId) -> Result<String> {
        let issuer = Issuer::new(self.key.clone(), Duration::from_mins(1));
        let access = Access { version: 1, permissions: Vec::new() };
        let token = issuer.issue(user, SessionId::new(), &access, Clock::system().now())?.token;
        Ok(token.expose_secret().to_owned())
    }

    /// Lets a kind of statement take a second, with its rows locked, so that others come in the middle of it.
    pub(crate) async fn slow_down(&self, statement: &str, table: &str) -> Result<()> {
        let slowly = format!(
            "CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN PERFORM pg_sleep(1); RETURN NULL; END $$;
             CREATE TRIGGER slowly AFTER {statement} ON {table} FOR EACH ROW EXECUTE FUNCTION slowly()"
        );
        self.database.execute(&slowly).await
    }

    /// Counts what a query finds.
    pub(crate) async fn count(&self, query: &str) -> Result<i64> {
        let db = self.database.connect().await?;
        let statement =
            Statement::from_string(DbBackend::Postgres, format!("SELECT count(*) AS n FROM {query}"));
        Ok(db.query_one_raw(statement).await?.context("no row")?.try_get("", "n")?)
    }
}

fn config(database: &Database, broker: &Broker, key: &SigningKey) -> Result<Config> {
    let mut config = Config::new(testkit::config::<Identity>(database, broker)?, key.clone());
    // Tests of crowds want the same queue on every machine.
    config.password_hashes = NonZeroU16::MIN.saturating_add(3);
    Ok(config)
}

/// Who signed in, or goes on.
pub(crate) fn reader(answer: AuthenticateUserResponse) -> Result<Reader> {
    let AuthenticateUserResponse { access_token, refresh_token, user, .. } = answer;
    Ok(Reader { id: user_of(user)?.user_id.parse()?, token: access_token, refresh_token })
}

/// Reads the user whose token it is.
pub(crate) async fn whoami(client: &Client, token: &str) -> Result<User, Status> {
    let request =
        as_user(token, GetUserRequest::default()).map_err(|error| Status::unknown(error.to_string()))?;
    Ok(client.clone().get_user(request).await?.into_inner())
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

/// A field mask.
pub(crate) fn mask(paths: &[&str]) -> prost_types::FieldMask {
    prost_types::FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() }
}

/// The events of that kind in the IDENTITY stream, once there are so many.
pub(crate) async fn events<E: events::Event>(broker: &Broker, count: usize) -> Result<Vec<Published<E>>> {
    eventually("events in the IDENTITY stream", SOON, async || {
        published::<E>(broker).await.ok().filter(|events| events.len() >= count)
    })
    .await
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
