use anyhow::{Context, Result};
use identity::Identity;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use server::Application;
use testkit::{Broker, Database, empty_database};
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
