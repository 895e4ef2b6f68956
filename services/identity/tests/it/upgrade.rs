use anyhow::{Context, Result};
use identity::Identity;
use proto::identity::v1::ListAddressesRequest;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use server::Application;
use testkit::{Broker, Database, as_user, empty_database};
use values::UserId;

use crate::desk::{Desk, whoami};

/// As many migrations as the release had that knew no roles.
const WITHOUT_ROLES: usize = 2;

/// What that release writes when somebody registers.
async fn register_as_before(database: &Database, email: &str, password_hash: &str) -> Result<UserId> {
    let user = UserId::new();
    let statement = format!(
        "INSERT INTO users (id, email, email_canonical, display_name, password_hash, request_id,
                            request_fingerprint, created_at)
         VALUES ('{}', '{email}', '{email}', 'Ada Lovelace', '{password_hash}', 'r-1',
                 decode(repeat('00', 32), 'hex'), now())",
        user.uuid()
    );
    database.execute(&statement).await?;
    Ok(user)
}

/// The hash of the password that the desk signs in with, as every release makes it.
async fn password_hash() -> Result<String> {
    let desk = Desk::open().await?;
    desk.reader("ada@example.org").await?;
    let db = desk.database.connect().await?;
    let statement = Statement::from_string(DbBackend::Postgres, "SELECT password_hash FROM users");
    Ok(db.query_one_raw(statement).await?.context("no user")?.try_get("", "password_hash")?)
}

#[tokio::test]
async fn users_from_before_roles_are_customers_and_so_are_those_whom_the_old_release_still_registers()
-> Result<()> {
    let (database, broker) = (empty_database().await?, Broker::start().await?);
    let hash = password_hash().await?;
    server::migrate(&database.url().into(), &Identity::MIGRATIONS[..WITHOUT_ROLES]).await?;
    let ada = register_as_before(&database, "ada@example.org", &hash).await?;

    let desk = Desk::open_on(database, broker, |_| {}).await?;
    let grace = register_as_before(&desk.database, "grace@example.org", &hash).await?;

    for (email, user) in [("ada@example.org", ada), ("grace@example.org", grace)] {
        let signed_in = desk.sign_in(email).await?;
        assert_eq!(signed_in.id, user);
        assert_eq!(whoami(&desk.client, &signed_in.token).await?.roles, ["customer"]);
        assert!(desk.told_by(&signed_in.token).await?.may(auth::Permission::ORDERS_PLACE));
    }
    Ok(())
}

/// As many migrations as the release had that knew no refresh tokens.
const WITHOUT_REFRESH_TOKENS: usize = 4;

/// What that release writes besides users.
fn written_before(user: UserId, email: &str) -> String {
    let user = user.uuid();
    let address = |city: &str, age: i32| {
        format!(
            "INSERT INTO addresses (id, user_id, recipient, lines, city, region, postal_code, country_code,
                                    request_id, request_fingerprint, created_at)
             VALUES (gen_random_uuid(), '{user}', 'Ada', '{{1 Street}}', '{city}', '', '', 'GB', '{city}',
                     decode(repeat('00', 32), 'hex'), now() - interval '{age} days');"
        )
    };
    format!(
        "{} {}
         INSERT INTO sessions (id, user_id) VALUES (gen_random_uuid(), '{user}');
         INSERT INTO user_roles (user_id, role) VALUES ('{user}', 'admin');
         INSERT INTO audit_log (action, user_id, role) VALUES ('ROLE_GRANTED', '{user}', 'admin');
         UPDATE users SET access_version = access_version + 1 WHERE email = '{email}'",
        address("Bath", 1),
        address("London", 2),
    )
}

#[tokio::test]
async fn what_the_release_before_wrote_and_still_writes_is_as_if_written_now() -> Result<()> {
    let (database, broker) = (empty_database().await?, Broker::start().await?);
    let hash = password_hash().await?;
    server::migrate(&database.url().into(), &Identity::MIGRATIONS[..WITHOUT_REFRESH_TOKENS]).await?;
    let ada = register_as_before(&database, "ada@example.org", &hash).await?;
    database.execute(&written_before(ada, "ada@example.org")).await?;

    let desk = Desk::open_on(database, broker, |_| {}).await?;
    let grace = register_as_before(&desk.database, "grace@example.org", &hash).await?;
    desk.database.execute(&written_before(grace, "grace@example.org")).await?;

    for email in ["ada@example.org", "grace@example.org"] {
        let signed_in = desk.sign_in(email).await?;
        let told = desk.told_by(&signed_in.token).await?;
        assert!(auth::Permission::ALL.iter().all(|permission| told.may(*permission)));
        let request = as_user(&signed_in.token, ListAddressesRequest::default())?;
        let addresses = desk.client.clone().list_addresses(request).await?.into_inner().addresses;
        let defaults: Vec<_> =
            addresses.iter().map(|address| (address.city.as_str(), address.is_default)).collect();
        assert_eq!(defaults, [("London", true), ("Bath", false)]);
    }
    Ok(())
}
