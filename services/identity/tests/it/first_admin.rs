use anyhow::{Context, Result};
use auth::SigningKey;
use identity::{Config, FirstAdmin, Identity};
use testkit::{Broker, Database};
use tonic::Code;

use crate::desk::{ADMIN, Desk, PASSWORD, refused, registration, sign_in, whoami};

const OTHER_PASSWORD: &str = "staple battery horse correct";

fn configured(database: &Database, broker: &Broker, password: &str) -> Result<Config> {
    let (key, _) = SigningKey::generate();
    let mut config = Config::new(testkit::config::<Identity>(database, broker)?, key);
    config.first_admin = FirstAdmin::new(ADMIN, password)?;
    Ok(config)
}

#[tokio::test]
async fn four_replicas_that_start_at_once_make_one_admin() -> Result<()> {
    let (database, broker) = (testkit::database::<Identity>().await?, Broker::start().await?);
    let start = || async { testkit::running::<Identity>(configured(&database, &broker, PASSWORD)?).await };
    let _running = tokio::try_join!(start(), start(), start(), start())?;

    let first_admin = FirstAdmin::new(ADMIN, PASSWORD)?;
    let desk = Desk::open_on(database, broker, |config| config.first_admin = first_admin).await?;
    for (what, expected) in [
        ("users", 1),
        ("user_roles WHERE role = 'admin' AND granted_by IS NULL", 1),
        ("audit_log WHERE action = 'ROLE_GRANTED' AND actor IS NULL AND role = 'admin'", 1),
        ("outbox WHERE subject = 'bookstore.identity.v1.user_registered'", 1),
        ("outbox WHERE subject = 'bookstore.identity.v1.access_changed'", 1),
    ] {
        assert_eq!(desk.count(what).await?, expected, "{what}");
    }
    let admin = desk.sign_in(ADMIN).await?;
    assert_eq!(whoami(&desk.client, &admin.token).await?.roles, ["admin", "customer"]);
    Ok(())
}

#[tokio::test]
async fn a_registered_user_with_that_password_becomes_admin() -> Result<()> {
    let desk = Desk::open().await?;
    let before = desk.reader("Admin@Example.org").await?;
    testkit::running::<Identity>(configured(&desk.database, &desk.broker, PASSWORD)?).await?;
    let admin = desk.sign_in(ADMIN).await?;
    assert_eq!(admin.id, before.id);
    assert_eq!(whoami(&desk.client, &admin.token).await?.roles, ["admin", "customer"]);
    assert_eq!(desk.count("users").await?, 1);
    Ok(())
}

#[tokio::test]
async fn whoever_registered_the_address_with_another_password_does_not_become_admin() -> Result<()> {
    let desk = Desk::open().await?;
    desk.reader(ADMIN).await?;
    let config = configured(&desk.database, &desk.broker, OTHER_PASSWORD)?;
    let start = testkit::running::<Identity>(config).await;
    let error = format!("{:#}", start.err().context("it started")?);
    assert!(error.contains("BOOKSTORE_ADMIN_EMAIL") && !error.contains(ADMIN), "{error}");
    assert!(!error.contains(OTHER_PASSWORD), "{error}");
    assert_eq!(desk.count("user_roles WHERE role = 'admin'").await?, 0);
    desk.client.clone().authenticate_user(sign_in(ADMIN, PASSWORD)).await?;
    Ok(())
}

#[tokio::test]
async fn where_there_is_an_admin_the_configuration_makes_no_other() -> Result<()> {
    let (desk, admin) = Desk::open_with_admin().await?;
    let ada = desk.reader("ada@example.org").await?;
    desk.grant(&admin, ada.id, "admin").await?;
    let ada = desk.sign_in("ada@example.org").await?;
    let request =
        proto::identity::v1::RevokeRoleRequest { user_id: admin.id.to_string(), role: "admin".to_owned() };
    desk.client.clone().revoke_role(testkit::as_user(&ada.token, request)?).await?;

    // Another password, which nobody asks for any more.
    testkit::running::<Identity>(configured(&desk.database, &desk.broker, OTHER_PASSWORD)?).await?;
    assert_eq!(desk.count("user_roles WHERE role = 'admin'").await?, 1);
    let wrong = desk.client.clone().authenticate_user(sign_in(ADMIN, OTHER_PASSWORD)).await;
    refused(wrong, Code::Unauthenticated)?;
    Ok(())
}

#[tokio::test]
async fn without_a_configured_admin_there_is_none_and_identity_runs() -> Result<()> {
    let desk = Desk::open().await?;
    desk.client.clone().create_user(registration("r-1", "ada@example.org")).await?;
    assert_eq!(desk.count("user_roles WHERE role = 'admin'").await?, 0);
    Ok(())
}

#[test]
fn nobody_becomes_admin_with_a_password_that_is_none() {
    for (email, password, fields) in [
        ("admin", "short", vec!["email", "password"]),
        (ADMIN, "", vec!["password"]),
        ("", PASSWORD, vec!["email"]),
    ] {
        let refused = FirstAdmin::new(email, password).unwrap_err();
        assert_eq!(refused.iter().map(|(field, _)| field).collect::<Vec<_>>(), fields);
    }
    let shown = format!("{:?}", FirstAdmin::new(ADMIN, PASSWORD).unwrap());
    assert!(!shown.contains(ADMIN) && !shown.contains(PASSWORD), "{shown}");
}
