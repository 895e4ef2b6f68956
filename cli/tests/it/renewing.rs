//! Sign-ins that go on by themselves.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use anyhow::{Context as _, Result};
use futures::future::try_join_all;
use serde_json::Value;

use crate::{shop::Shop, terminal::Terminal};

/// What is kept says from now on that the access token has run out.
fn run_out(terminal: &Terminal) -> Result<Value> {
    let path = credentials(terminal);
    let mut kept: Value = serde_json::from_slice(&fs::read(&path)?)?;
    kept["expires_at"] = "2026-01-01T00:00:00Z".into();
    fs::write(&path, kept.to_string())?;
    Ok(kept)
}

fn credentials(terminal: &Terminal) -> PathBuf {
    terminal.folder.path().join("credentials.json")
}

#[tokio::test]
async fn a_token_that_has_run_out_is_renewed_and_nobody_notices() -> Result<()> {
    let shop = Shop::open_without_payment().await?;
    let ada = shop.terminal()?;
    ada.register("ada").await?;
    let before = run_out(&ada)?;

    assert!(ada.prints(&["whoami"]).await?.contains("ada@example.com"));

    let after: Value = serde_json::from_slice(&fs::read(credentials(&ada))?)?;
    assert_ne!(before["renewal"]["refresh_token"], after["renewal"]["refresh_token"]);
    assert_eq!(fs::metadata(credentials(&ada))?.permissions().mode() & 0o777, 0o600);
    Ok(())
}

#[tokio::test]
async fn many_commands_at_once_renew_one_after_another() -> Result<()> {
    let shop = Shop::open_without_payment().await?;
    let ada = shop.terminal()?;
    ada.register("ada").await?;
    run_out(&ada)?;

    try_join_all((0..8).map(|_| ada.prints(&["address", "list"]))).await?;

    ada.prints(&["whoami"]).await?;
    Ok(())
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again() -> Result<()> {
    let shop = Shop::open_without_payment().await?;
    let ada = shop.terminal()?;
    ada.register("ada").await?;
    let before = run_out(&ada)?;
    ada.prints(&["whoami"]).await?;

    // As if the process had died before it could keep the answer.
    fs::write(credentials(&ada), before.to_string())?;

    ada.prints(&["whoami"]).await?;
    Ok(())
}

#[tokio::test]
async fn a_stolen_refresh_token_ends_the_session_for_both() -> Result<()> {
    let shop = Shop::open_without_payment().await?;
    let (ada, thief) = (shop.terminal()?, shop.terminal()?);
    ada.register("ada").await?;
    let mut stolen = run_out(&ada)?;
    stolen["renewal"]["request_id"] = "thief".into();
    fs::write(credentials(&thief), stolen.to_string())?;
    ada.prints(&["whoami"]).await?;

    let refused = thief.run(&["whoami"]).await?;

    assert_eq!(refused.code, 3, "{refused:#?}");
    let ended = ada.run(&["whoami"]).await?;
    assert_eq!(ended.code, 3, "{ended:#?}");
    assert!(ended.stderr.contains("bookstore login --email"), "{ended:#?}");
    Ok(())
}

#[tokio::test]
async fn whoever_signs_out_late_ends_the_session_all_the_same() -> Result<()> {
    let shop = Shop::open_without_payment().await?;
    let ada = shop.terminal()?;
    ada.register("ada").await?;
    let kept = fs::read(credentials(&ada))?;
    run_out(&ada)?;

    assert_eq!(ada.prints(&["logout"]).await?.trim(), "Signed out.");

    fs::write(credentials(&ada), kept)?;
    assert_eq!(ada.run(&["whoami"]).await?.code, 3, "the refresh token is no good any more");
    Ok(())
}

#[tokio::test]
async fn credentials_that_others_could_read_are_made_private_with_a_warning() -> Result<()> {
    let shop = Shop::open_without_payment().await?;
    let ada = shop.terminal()?;
    ada.register("ada").await?;
    let path = credentials(&ada);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?;

    let warned = ada.run(&["whoami"]).await?;

    assert_eq!(warned.code, 0, "{warned:#?}");
    let named = path.to_str().context("no path")?;
    assert!(warned.stderr.starts_with(&format!("warning: others could read {named}")), "{warned:#?}");
    assert_eq!(fs::metadata(&path)?.permissions().mode() & 0o777, 0o600);
    assert!(ada.run(&["whoami"]).await?.stderr.is_empty());
    Ok(())
}
