use std::process::{Command, Output};

use anyhow::{Context, Result};
use auth::SigningKey;
use testkit::certificates;

use crate::desk::{ADMIN, Desk, PASSWORD};

const VARIABLES: [&str; 6] = [
    "BOOKSTORE_DATABASE_URL",
    "BOOKSTORE_NATS_URL",
    "BOOKSTORE_TLS_CERTIFICATE",
    "BOOKSTORE_TLS_KEY",
    "BOOKSTORE_TLS_ROOTS",
    "BOOKSTORE_SIGNING_KEY",
];

/// Runs the process to its end with all that it needs, some variables changed or missing.
fn started_with(changed: &[(&str, Option<&str>)]) -> Result<Output> {
    let folder = tempfile::tempdir()?;
    let tls = certificates()?.write(folder.path(), "identity")?;
    let path = |path: std::path::PathBuf| path.into_os_string().into_string().ok().context("a path");
    let (_, pem) = SigningKey::generate();
    let values = [
        "postgres://nobody@127.0.0.1:9/none".to_owned(),
        "nats://127.0.0.1:9".to_owned(),
        path(tls.certificate)?,
        path(tls.key)?,
        path(tls.roots)?,
        pem.as_str().to_owned(),
    ];
    let mut process = Command::new(env!("CARGO_BIN_EXE_identity"));
    process.env_clear().envs(VARIABLES.into_iter().zip(values));
    process.env("BOOKSTORE_LISTEN", "127.0.0.1:0").env("BOOKSTORE_ADMIN_LISTEN", "127.0.0.1:0");
    for (variable, value) in changed {
        match value {
            Some(value) => process.env(variable, value),
            None => process.env_remove(variable),
        };
    }
    Ok(process.output()?)
}

/// The one line on standard error of a process that did not start.
fn refusal(output: Output) -> Result<String> {
    let told = String::from_utf8(output.stderr)?;
    assert!(!output.status.success());
    assert_eq!(told.lines().count(), 1, "{told}");
    Ok(told)
}

#[test]
fn a_missing_variable_stops_the_start_with_a_line_that_names_it() -> Result<()> {
    for variable in VARIABLES {
        let told = refusal(started_with(&[(variable, None)])?)?;
        assert!(told.contains(variable), "{told}");
    }
    Ok(())
}

#[test]
fn a_wrong_value_stops_the_start_with_a_line_that_names_its_variable() -> Result<()> {
    for (variable, value) in [
        ("BOOKSTORE_TOKEN_TTL", "16m"),
        ("BOOKSTORE_REFRESH_TOKEN_TTL", "0s"),
        ("BOOKSTORE_SIGNING_KEY_PERIOD", "1m"),
        ("BOOKSTORE_PASSWORD_HASHES", "0"),
        ("BOOKSTORE_LISTEN", "everywhere"),
    ] {
        let told = refusal(started_with(&[(variable, Some(value))])?)?;
        assert!(told.contains(variable), "{told}");
    }
    Ok(())
}

#[test]
fn a_wrong_secret_is_not_repeated() -> Result<()> {
    for variable in ["BOOKSTORE_SIGNING_KEY", "BOOKSTORE_ADMIN_EMAIL", "BOOKSTORE_ADMIN_PASSWORD"] {
        let output = started_with(&[(variable, Some("hunter2"))])?;
        let told = format!("{}{}", String::from_utf8(output.stderr)?, String::from_utf8(output.stdout)?);
        assert!(!output.status.success());
        assert!(told.contains(variable) && !told.contains("hunter2"), "{told}");
    }
    Ok(())
}

#[test]
fn half_of_a_first_admin_stops_the_start_with_a_line_that_names_the_other_half() -> Result<()> {
    const EMAIL: &str = "BOOKSTORE_ADMIN_EMAIL";
    const SECRET: &str = "BOOKSTORE_ADMIN_PASSWORD";
    for (given, value, missing) in [(EMAIL, ADMIN, SECRET), (SECRET, PASSWORD, EMAIL)] {
        let told = refusal(started_with(&[(given, Some(value))])?)?;
        assert!(told.starts_with(&format!("identity: {missing} is not set")), "{told}");
        assert!(!told.contains(value), "{told}");
    }
    Ok(())
}

#[tokio::test]
async fn the_first_admins_password_may_lie_in_a_file_and_neither_it_nor_the_address_is_ever_shown()
-> Result<()> {
    let desk = Desk::open().await?;
    desk.reader(ADMIN).await?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("password");
    let secret = "another correct horse";
    std::fs::write(&file, format!("{secret}\n"))?;
    let file = file.to_str().context("a path")?;
    // Stops by itself, since the user has another password.
    let output = started_with(&[
        ("BOOKSTORE_DATABASE_URL", Some(desk.database.url())),
        ("BOOKSTORE_NATS_URL", Some(desk.broker.url())),
        ("BOOKSTORE_ADMIN_EMAIL", Some(ADMIN)),
        ("BOOKSTORE_ADMIN_PASSWORD_FILE", Some(file)),
        ("BOOKSTORE_LOG", Some("trace")),
    ])?;
    let log = String::from_utf8(output.stdout.clone())?;
    let told = refusal(output)?;
    assert!(told.contains("BOOKSTORE_ADMIN_EMAIL is registered"), "{told}");
    for text in [&log, &told] {
        assert!(!text.contains(ADMIN) && !text.contains(secret), "{text}");
    }
    Ok(())
}
