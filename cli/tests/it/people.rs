//! Accounts and addresses, who works in a shop, and who looks after all of them.

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::{
    shop::Shop,
    terminal::{Outcome, PASSWORD, Terminal},
};

const NEW: &str = "another horse battery";

async fn user_id(terminal: &Terminal) -> Result<String> {
    let user = terminal.answers(&["whoami"]).await?;
    Ok(user["user_id"].as_str().context("no id")?.to_owned())
}

#[tokio::test]
async fn a_user_changes_name_and_password_and_goes() -> Result<()> {
    let shop = Shop::open_without_payment().await?;
    let (ada, elsewhere) = (shop.terminal()?, shop.terminal()?);
    ada.register("ada").await?;
    elsewhere.login("ada").await?;

    assert!(ada.prints(&["account", "update", "--name", "Ada King"]).await?.contains("Ada King"));
    assert!(ada.prints(&["whoami"]).await?.contains("Ada King"));
    let changed: Outcome = ada
        .command(&["account", "password"])
        .env("BOOKSTORE_NEW_PASSWORD", NEW)
        .output()
        .await?
        .try_into()?;
    assert_eq!(changed.code, 0, "{changed:#?}");

    ada.prints(&["whoami"]).await?;
    let signed_out = elsewhere.run(&["whoami"]).await?;
    assert_eq!(signed_out.code, 3, "{signed_out:#?}");
    let wrong = ada.run(&["account", "delete", "--yes"]).await?;
    assert_eq!(wrong.code, 1, "{wrong:#?}");
    assert_eq!(ada.run(&["account", "delete"]).await?.code, 2);
    let delete = ["account", "delete", "--yes"];
    let gone: Outcome = ada.command(&delete).env("BOOKSTORE_PASSWORD", NEW).output().await?.try_into()?;
    assert_eq!(gone.code, 0, "{gone:#?}");
    assert!(!ada.folder.path().join("credentials.json").exists());
    let refused: Outcome = ada
        .command(&["login", "--email", "ada@example.com"])
        .env("BOOKSTORE_PASSWORD", NEW)
        .output()
        .await?
        .try_into()?;
    assert_eq!(refused.code, 1, "{refused:#?}");
    Ok(())
}

#[tokio::test]
async fn both_passwords_may_come_from_standard_input() -> Result<()> {
    let shop = Shop::open_without_payment().await?;
    let ada = shop.terminal()?;
    ada.register("ada").await?;

    let lines = format!("{PASSWORD}\n{NEW}");
    let changed = ada.run_typing(&lines, &["account", "password", "--password-stdin"]).await?;

    assert_eq!(changed.code, 0, "{changed:#?}");
    let login = ["login", "--email", "ada@example.com", "--password-stdin"];
    assert_eq!(ada.run_typing(NEW, &login).await?.code, 0);
    Ok(())
}

#[tokio::test]
async fn the_first_address_is_the_default_until_another_one_is() -> Result<()> {
    let shop = Shop::open_without_payment().await?;
    let reader = shop.reader_without_card().await?;
    let second = ["--recipient", "Grace", "--line", "2 Way", "--city", "Arlington", "--country", "US"];
    let second = reader.answers(&[&["address", "add"][..], &second].concat()).await?;
    let second = second["address_id"].as_str().context("no address")?;
    let default = async || -> Result<Value> {
        let addresses = reader.answers(&["address", "list"]).await?;
        let addresses = addresses["addresses"].as_array().context("no addresses")?.clone();
        let default = addresses.into_iter().find(|address| address["is_default"] == true);
        Ok(default.context("no default")?["city"].clone())
    };

    assert_eq!(default().await?, "London");
    reader.prints(&["address", "default", second]).await?;
    assert_eq!(default().await?, "Arlington");
    let moved = reader.prints(&["address", "update", second, "--city", "Washington"]).await?;
    assert!(moved.contains("2 Way, Washington, US"), "{moved}");
    assert_eq!(reader.run(&["address", "update", second]).await?.code, 2);
    reader.prints(&["address", "delete", second]).await?;
    assert_eq!(default().await?, "London");
    Ok(())
}

#[tokio::test]
async fn an_admin_finds_users_and_deletes_one() -> Result<()> {
    let shop = Shop::open_without_payment().await?;
    let (admin, eve) = (shop.admin().await?, shop.terminal()?);
    eve.register("eve").await?;
    let id = user_id(&eve).await?;

    assert!(admin.prints(&["users", "list"]).await?.contains("eve@example.com"));
    assert!(!admin.prints(&["users", "list", "--role", "admin"]).await?.contains("eve"));
    assert!(admin.prints(&["users", "show", "eve@example.com"]).await?.contains(&id));
    assert!(admin.prints(&["users", "show", &id]).await?.contains("eve@example.com"));
    admin.prints(&["users", "grant", "shop_owner", "--email", &id]).await?;
    assert_eq!(eve.run(&["users", "list"]).await?.code, 1);

    admin.prints(&["users", "delete", "eve@example.com", "--yes"]).await?;
    admin.prints(&["users", "delete", &id, "--yes"]).await?;

    assert_eq!(eve.run(&["whoami"]).await?.code, 3);
    assert!(admin.run(&["users", "show", &id]).await?.stderr.contains("there is no user"));
    Ok(())
}

#[tokio::test]
async fn an_owner_lets_others_work_in_the_shop() -> Result<()> {
    let shop = Shop::open_without_payment().await?;
    let (owner, offer) = shop.seller("3").await?;
    let helper = shop.terminal()?;
    helper.register("duncan").await?;
    let id = user_id(&helper).await?;
    assert_eq!(helper.run(&["stock", "adjust", &offer, "1"]).await?.code, 1);

    assert!(owner.prints(&["shop", "add-member", &id]).await?.contains("staff"));

    assert!(helper.prints(&["shop", "mine"]).await?.contains("staff"));
    helper.prints(&["stock", "adjust", &offer, "-1", "--reason", "lost"]).await?;
    let refused = helper.run(&["shop", "update", "--city", "Elsewhere"]).await?;
    assert_eq!(refused.code, 1, "{refused:#?}");
    assert!(owner.prints(&["shop", "members"]).await?.contains(&id));
    owner.prints(&["shop", "remove-member", &id]).await?;
    assert_eq!(helper.run(&["stock", "adjust", &offer, "1"]).await?.code, 1);
    let last = owner.run(&["shop", "remove-member", &user_id(&owner).await?]).await?;
    assert_eq!(last.code, 1, "{last:#?}");
    assert!(last.stderr.contains("--role owner"), "{last:#?}");
    Ok(())
}

#[tokio::test]
async fn a_shop_is_found_changed_and_gets_another_room() -> Result<()> {
    let shop = Shop::open_without_payment().await?;
    let (owner, offer) = shop.seller("3").await?;
    let anybody = shop.terminal()?;

    assert!(anybody.prints(&["shop", "list", "--city", "arrakeen"]).await?.contains("The Sietch"));
    owner.prints(&["shop", "update", "--name", "Sietch Tabr"]).await?;
    let cellar = owner.answers(&["shop", "add-location", "The cellar"]).await?;
    let cellar = cellar["location_id"].as_str().context("no room")?;
    assert!(owner.prints(&["shop", "locations"]).await?.contains("The cellar"));
    owner.prints(&["stock", "adjust", &offer, "4", "--location", cellar]).await?;
    let shown = owner.prints(&["stock", "show", &offer]).await?;
    assert!(shown.contains("The cellar"), "{shown}");

    owner.prints(&["books", "update", &offer, "--price", "8.50 EUR", "--publisher", "Ace"]).await?;
    let book = anybody.prints(&["books", "show", crate::shop::DUNE]).await?;
    assert!(book.contains("8.50 EUR") && book.contains("Ace") && book.contains("Sietch Tabr"), "{book}");
    assert!(book.contains(" 7"), "{book}");
    owner.prints(&["books", "withdraw", &offer]).await?;
    assert!(anybody.prints(&["books", "list"]).await?.contains("No book"));
    Ok(())
}

#[tokio::test]
async fn a_rotated_key_is_named_with_when_it_signs_and_rotated_once() -> Result<()> {
    let shop = Shop::open_without_payment().await?;
    let admin = shop.admin().await?;

    let rotate = ["keys", "rotate", "--request-id", "leaked"];
    let first = admin.answers(&rotate).await?;

    assert!(first["kid"].as_str().is_some_and(|kid| !kid.is_empty()), "{first}");
    assert_eq!(admin.answers(&rotate).await?, first);
    admin.prints(&["whoami"]).await?;
    Ok(())
}
