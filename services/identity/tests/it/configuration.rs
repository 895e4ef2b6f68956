use std::process::{Command, Output};

use anyhow::Result;
use auth::SigningKey;

const VARIABLES: [&str; 4] =
    ["BOOKSTORE_DATABASE_URL", "BOOKSTORE_NATS_URL", "BOOKSTORE_PEER_SECRET", "BOOKSTORE_SIGNING_KEY"];

/// Starts the process with all that it needs, one variable changed or missing.
fn started_with(variable: &str, value: Option<&str>) -> Result<Output> {
    let (_, pem) = SigningKey::generate();
    let values =
        ["postgres://nobody@127.0.0.1:9/none", "nats://127.0.0.1:9", testkit::PEER_SECRET, pem.as_str()];
    let mut process = Command::new(env!("CARGO_BIN_EXE_identity"));
    process.env_clear().envs(VARIABLES.into_iter().zip(values)).env_remove(variable);
    if let Some(value) = value {
        process.env(variable, value);
    }
    Ok(process.output()?)
}

#[test]
fn a_missing_variable_stops_the_start_with_a_line_that_names_it() -> Result<()> {
    for variable in VARIABLES {
        let output = started_with(variable, None)?;
        let told = String::from_utf8(output.stderr)?;
        assert!(!output.status.success());
        assert_eq!(told.lines().count(), 1, "{told}");
        assert!(told.contains(variable), "{told}");
    }
    Ok(())
}

#[test]
fn a_wrong_value_stops_the_start_with_a_line_that_names_its_variable() -> Result<()> {
    for (variable, value) in [
        ("BOOKSTORE_TOKEN_TTL", "2h"),
        ("BOOKSTORE_PASSWORD_HASHES", "0"),
        ("BOOKSTORE_LISTEN", "everywhere"),
    ] {
        let output = started_with(variable, Some(value))?;
        let told = String::from_utf8(output.stderr)?;
        assert!(!output.status.success());
        assert_eq!(told.lines().count(), 1, "{told}");
        assert!(told.contains(variable), "{told}");
    }
    Ok(())
}

#[test]
fn a_wrong_secret_is_not_repeated() -> Result<()> {
    for variable in ["BOOKSTORE_SIGNING_KEY", "BOOKSTORE_PEER_SECRET"] {
        let output = started_with(variable, Some("hunter2"))?;
        let told = format!("{}{}", String::from_utf8(output.stderr)?, String::from_utf8(output.stdout)?);
        assert!(!output.status.success());
        assert!(told.contains(variable) && !told.contains("hunter2"), "{told}");
    }
    Ok(())
}
