//! Accounts, and the token on the disk.

use std::{fs, os::unix::fs::PermissionsExt as _};

use anyhow::Result;
use serde_json::Value;

use crate::{
    shop::Shop,
    terminal::{Outcome, PASSWORD},
};

#[tokio::test]
async fn the_token_is_kept_where_only_its_user_can_read_it_until_logout() -> Result<()> {
    let shop = Shop::open().await?;
    let ada = shop.terminal()?;

    ada.register("ada").await?;

    let credentials = ada.folder.path().join("credentials.json");
    assert_eq!(fs::metadata(&credentials)?.permissions().mode() & 0o777, 0o600);
    assert!(!fs::read_to_string(&credentials)?.contains(PASSWORD));
    let who = ada.answers(&["whoami"]).await?;
    assert_eq!((who["email"].as_str(), who["display_name"].as_str()), (Some("ada@example.com"), Some("ada")));
    let copy = fs::read(&credentials)?;
    assert_eq!(ada.prints(&["logout"]).await?.trim(), "Signed out.");
    assert!(!credentials.exists());
    assert_eq!(ada.run(&["whoami"]).await?.code, 3);

    fs::write(&credentials, copy)?;
    let refused = ada.run(&["whoami"]).await?;
    assert_eq!(refused.code, 3, "a copy of the token is no good: {refused:#?}");
    assert!(refused.stderr.contains("error: your sign-in was ended"), "{refused:#?}");
    assert!(ada.prints(&["logout"]).await?.contains("had ended already"));
    assert!(!credentials.exists());
    assert_eq!(ada.prints(&["logout"]).await?.trim(), "Nobody was signed in.");
    Ok(())
}

#[tokio::test]
async fn who_signs_out_of_a_shop_that_is_away_is_signed_out_here_and_told_what_is_left() -> Result<()> {
    let shop = Shop::open().await?;
    let ada = shop.terminal()?;
    ada.register("ada").await?;
    let credentials = ada.folder.path().join("credentials.json");
    let copy = fs::read(&credentials)?;

    shop.door.close();
    let told = ada.run(&["logout"]).await?;

    assert_eq!(told.code, 4, "{told:#?}");
    assert!(told.stderr.starts_with("error: nothing answers at "), "{told:#?}");
    assert!(told.stderr.contains("the token is forgotten here all the same"), "{told:#?}");
    assert!(!credentials.exists());

    let mut session: Value = serde_json::from_slice(&copy)?;
    session["expires_at"] = "2026-01-01T00:00:00Z".into();
    session["renewal"]["expires_at"] = "2026-01-01T00:00:00Z".into();
    fs::write(&credentials, session.to_string())?;
    let told = ada.prints(&["logout"]).await?;
    assert!(told.contains("had ended already"), "of an expired session nothing is left: {told}");
    assert!(!credentials.exists());
    Ok(())
}

#[tokio::test]
async fn a_session_that_cannot_be_read_is_forgotten_all_the_same() -> Result<()> {
    let shop = Shop::open().await?;
    let ada = shop.terminal()?;
    let credentials = ada.folder.path().join("credentials.json");
    fs::write(&credentials, "{")?;

    assert_eq!(ada.run(&["whoami"]).await?.code, 3);
    assert!(ada.prints(&["logout"]).await?.starts_with("Signed out here"));
    assert!(!credentials.exists());
    Ok(())
}

#[tokio::test]
async fn who_is_registered_but_cannot_be_signed_in_is_told_both() -> Result<()> {
    let shop = Shop::open().await?;
    let ada = shop.terminal()?;
    let no_folder = ada.folder.path().join("a file");
    fs::write(&no_folder, "")?;

    let register = ["register", "--email", "ada@example.com", "--name", "Ada"];
    let told: Outcome =
        ada.command(&register).env("BOOKSTORE_CONFIG_DIR", &no_folder).output().await?.try_into()?;

    assert_eq!(told.code, 3, "{told:#?}");
    assert!(told.stderr.starts_with("error: cannot write "), "{told:#?}");
    assert!(told.stderr.ends_with("sign in with: bookstore login --email ada@example.com\n"), "{told:#?}");
    ada.prints(&["login", "--email", "ada@example.com"]).await?;
    Ok(())
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_the_right_one_may_come_from_standard_input() -> Result<()> {
    let shop = Shop::open().await?;
    let ada = shop.terminal()?;
    ada.register("ada").await?;
    ada.prints(&["logout"]).await?;
    let login = ["login", "--email", "ada@example.com", "--password-stdin"];

    let refused = ada.run_typing("not my password", &login).await?;
    assert_eq!(refused.code, 1, "{refused:#?}");
    assert!(refused.stderr.contains("wrong e-mail address or password"), "{refused:#?}");

    let accepted = ada.run_typing(PASSWORD, &login).await?;
    assert_eq!(accepted.code, 0, "{accepted:#?}");
    ada.prints(&["whoami"]).await?;
    Ok(())
}

#[tokio::test]
async fn every_wrong_field_has_a_line_of_its_own() -> Result<()> {
    let shop = Shop::open().await?;
    let ada = shop.terminal()?;
    ada.register("ada").await?;

    let address =
        ["address", "add", "--recipient", " ", "--line", "1 Way", "--city", "London", "--country", "XX"];
    let refused = ada.run(&address).await?;

    assert_eq!(refused.code, 1, "{refused:#?}");
    let lines: Vec<_> = refused.stderr.lines().collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[1].starts_with("  recipient: ") && lines[2].starts_with("  country_code: "), "{lines:?}");
    Ok(())
}
