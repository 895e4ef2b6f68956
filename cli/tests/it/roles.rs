//! Who may do what, and what those are told who may not.

use anyhow::Result;

use crate::{shop::Shop, terminal::Outcome};

/// Opens a shop.
const REGISTER_SHOP: [&str; 6] = ["shop", "register", "--name", "The Sietch", "--city", "Arrakeen"];

fn is_told(outcome: &Outcome, code: i32, what: &[&str]) {
    assert_eq!(outcome.code, code, "{outcome:#?}");
    for what in what {
        assert!(outcome.stderr.contains(what), "{what:?} is missing: {outcome:#?}");
    }
}

#[tokio::test]
async fn an_admin_makes_a_shop_owner_and_unmakes_one() -> Result<()> {
    let shop = Shop::open_without_payment().await?;
    let (admin, bea) = (shop.admin().await?, shop.terminal()?);
    bea.register("bea").await?;
    assert!(admin.prints(&["whoami"]).await?.contains("admin, customer"));
    assert!(bea.prints(&["whoami"]).await?.contains("customer"));
    let missing = "this takes the permission shops.register";
    is_told(&bea.run(&REGISTER_SHOP).await?, 1, &[missing, "bookstore role grant shop_owner --email"]);

    let grant = ["role", "grant", "shop_owner", "--email", "bea@example.com"];
    let granted = admin.prints(&grant).await?;
    assert!(granted.starts_with("bea is now: customer, shop_owner."), "{granted}");
    bea.prints(&REGISTER_SHOP).await?;

    let again = admin.prints(&grant).await?;
    assert_eq!(again.trim(), "bea stays: customer, shop_owner. Nothing has changed.");
    assert_eq!(bea.answers(&["whoami"]).await?["roles"], serde_json::json!(["customer", "shop_owner"]));
    let revoked = admin.answers(&["role", "revoke", "shop_owner", "--email", "bea@example.com"]).await?;
    assert_eq!(revoked["roles"], serde_json::json!(["customer"]));
    is_told(&bea.run(&REGISTER_SHOP).await?, 1, &[missing]);
    Ok(())
}

#[tokio::test]
async fn roles_are_an_admins_to_give() -> Result<()> {
    let shop = Shop::open_without_payment().await?;
    let bea = shop.terminal()?;
    bea.register("bea").await?;

    for email in ["bea@example.com", "admin@example.com", "nobody@example.com"] {
        let refused = bea.run(&["role", "grant", "admin", "--email", email]).await?;
        is_told(&refused, 1, &["this takes the permission ", "the role admin gives it"]);
    }
    Ok(())
}

#[tokio::test]
async fn the_last_admin_stays() -> Result<()> {
    let shop = Shop::open_without_payment().await?;
    let admin = shop.admin().await?;

    let refused = admin.run(&["role", "revoke", "admin", "--email", "admin@example.com"]).await?;

    is_told(&refused, 1, &["the last admin stays", "bookstore role grant admin --email"]);
    admin.prints(&["whoami"]).await?;
    Ok(())
}

#[tokio::test]
async fn who_and_which_role_must_be_known() -> Result<()> {
    let shop = Shop::open_without_payment().await?;
    let admin = shop.admin().await?;

    let nobody = admin.run(&["role", "grant", "admin", "--email", "nobody@example.com"]).await?;
    is_told(&nobody, 1, &["nobody signs in with nobody@example.com"]);
    let nothing = admin.run(&["role", "grant", "owner", "--email", "admin@example.com"]).await?;
    is_told(&nothing, 1, &["no such role"]);
    Ok(())
}
