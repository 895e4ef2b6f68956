//! What is told when nothing can be done, and how a script hears of it.

use std::fs;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::terminal::Terminal;

/// Nothing answers there.
const NOBODY: &str = "http://127.0.0.1:9";

fn terminal() -> Result<Terminal> {
    Terminal::new(NOBODY)
}

#[tokio::test]
async fn a_shop_that_is_not_there_is_named_with_what_starts_it() -> Result<()> {
    let outcome = terminal()?.run(&["books", "list"]).await?;
    assert_eq!(outcome.code, 4);
    assert!(outcome.stderr.starts_with("error: nothing answers at http://127.0.0.1:9\n"), "{outcome:#?}");
    assert!(outcome.stderr.contains("cargo xtask up"), "{outcome:#?}");
    assert!(outcome.stdout.is_empty(), "{outcome:#?}");
    Ok(())
}

#[tokio::test]
async fn a_failure_can_be_had_as_json() -> Result<()> {
    let outcome = terminal()?.run(&["books", "list", "--output", "json"]).await?;
    let failure: Value = serde_json::from_str(&outcome.stderr)?;
    assert_eq!(failure["error"]["exit_code"], 4);
    Ok(())
}

#[tokio::test]
async fn who_is_not_signed_in_is_told_how_to() -> Result<()> {
    let commands = [
        &["whoami"][..],
        &["order", "list"],
        &["wallet", "balance"],
        &["address", "list"],
        &["role", "grant", "admin", "--email", "ada@example.com"],
        &["events", "dead", "list"],
        &["users", "list"],
        &["card", "add", "tok_visa"],
        &["payment", "list"],
        &["shop", "shipments"],
        &["stock", "movements", "ofr_1"],
        &["mail", "list"],
        &["keys", "rotate"],
    ];
    for command in commands {
        let outcome = terminal()?.run(command).await?;
        assert_eq!(outcome.code, 3, "{outcome:#?}");
        assert!(outcome.stderr.contains("bookstore login --email"), "{outcome:#?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_command_line_that_makes_no_sense_is_refused_before_anything_is_asked() -> Result<()> {
    let terminal = terminal()?;
    let wrong = [
        &["order", "plaice"][..],
        &["books", "list", "--limit", "0"],
        &["order", "place"],
        &["books", "list", "--url", "127.0.0.1:8080"],
        &["books", "list", "--url", "https://shop.example"],
        &["events", "dead", "list", "--service", "gateway"],
        &["order", "ship", "ord_1"],
        &["order", "list", "--state", "confirmed"],
        &["shop", "shipments", "--state", "lost"],
        &["users", "delete", "eve@example.com"],
    ];
    for command in wrong {
        let outcome = terminal.run(command).await?;
        assert_eq!(outcome.code, 2, "{outcome:#?}");
    }
    let outcome = terminal.run(&["login", "--email", "a@example.com", "--password", "secret"]).await?;
    assert_eq!(outcome.code, 2, "a password must not be taken from the command line: {outcome:#?}");
    Ok(())
}

#[tokio::test]
async fn help_names_the_exit_codes_and_a_first_order() -> Result<()> {
    let help = terminal()?.prints(&["--help"]).await?;
    for taught in ["Exit codes:", "  5  no answer", "bookstore order place --book", "BOOKSTORE_URL"] {
        assert!(help.contains(taught), "{taught} is missing in:\n{help}");
    }
    Ok(())
}

/// What each code means is tested where it comes about; here, that the README and the help say the same.
#[tokio::test]
async fn the_readme_and_the_help_tell_of_the_same_exit_codes() -> Result<()> {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md"))?;
    let help = terminal()?.prints(&["--help"]).await?;
    for code in 0..=5 {
        let told = format!("\n  {code}  ");
        let meaning = help.split(&told).nth(1).with_context(|| format!("the help has no {code}"))?;
        let meaning = meaning.split([':', ';', ',', '\n']).next().unwrap_or_default().trim();
        assert!(readme.contains(&format!("\n| {code} | {meaning}")), "{code}: {meaning}");
    }
    assert!(!help.contains("\n  6  ") && !readme.contains("\n| 6 |"));
    Ok(())
}

#[tokio::test]
async fn completions_are_printed_for_each_shell() -> Result<()> {
    for shell in ["bash", "zsh", "fish"] {
        let script = terminal()?.prints(&["completions", shell]).await?;
        for word in ["top-up", "import", "accept-return", "rejects"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    Ok(())
}
