//! The shop and the users of `demo.toml`.

use anyhow::{Context, Result};
use comfy_table::{Table, presets};
use serde::Deserialize;

const DEMO: &str = include_str!("../demo.toml");

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Demo {
    /// ISO 4217 code of all prices and wallets.
    pub(crate) currency: String,
    /// The first admin of a shop on this machine.
    pub(crate) admin: Admin,
    pub(crate) shop: Shop,
    pub(crate) users: Vec<User>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Admin {
    pub(crate) email: String,
    pub(crate) password: String,
    about: String,
}

/// What somebody signs in with.
pub(crate) struct Credentials {
    pub(crate) email: String,
    pub(crate) password: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shop {
    /// E-mail address of one of the users.
    pub(crate) owner: String,
    /// E-mail addresses of users who work there, too.
    #[serde(default)]
    pub(crate) staff: Vec<String>,
    pub(crate) name: String,
    pub(crate) city: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct User {
    pub(crate) email: String,
    pub(crate) password: String,
    pub(crate) name: String,
    about: String,
    /// A token of the simulated card gateway.
    pub(crate) card: Option<String>,
    /// What to top the wallet up with from the card, in minor units.
    pub(crate) wallet: Option<i64>,
    pub(crate) address: Option<Address>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Address {
    pub(crate) recipient: String,
    pub(crate) lines: Vec<String>,
    pub(crate) city: String,
    pub(crate) postal_code: String,
    pub(crate) country_code: String,
}

impl Demo {
    pub(crate) fn read() -> Result<Self> {
        toml::from_str(DEMO).context("demo.toml")
    }

    /// Who can sign in, for people to read. An admin whom the demo doesn't know keeps the password to themselves.
    pub(crate) fn table(&self, admin: &Credentials) -> Table {
        let mut table = Table::new();
        table.load_style(presets::UTF8_BORDERS_ONLY).set_header(["Demo account", "Password", "Who it is"]);
        for user in &self.users {
            table.add_row([&user.email, &user.password, &user.about]);
        }
        if admin.email == self.admin.email && admin.password == self.admin.password {
            table.add_row([&admin.email, &admin.password, &self.admin.about]);
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_who_works_in_the_shop_is_a_user() {
        let demo = Demo::read().unwrap();
        let is_user = |email: &String| demo.users.iter().any(|user| user.email == *email);
        assert!(is_user(&demo.shop.owner) && demo.shop.staff.iter().all(is_user));
    }

    #[test]
    fn who_has_money_has_a_card_that_it_comes_from() {
        assert!(Demo::read().unwrap().users.iter().all(|user| user.wallet.is_none() || user.card.is_some()));
    }

    #[test]
    fn only_the_admin_of_the_demo_is_told_with_the_password() {
        let demo = Demo::read().unwrap();
        let known = Credentials { email: demo.admin.email.clone(), password: demo.admin.password.clone() };
        assert!(demo.table(&known).to_string().contains("runs the shop"));
        let other = Credentials { password: "nobody else's business".to_owned(), ..known };
        assert!(!demo.table(&other).to_string().contains("nobody else's business"));
    }

    #[test]
    fn passwords_are_as_long_as_the_shop_asks_for() {
        assert!(Demo::read().unwrap().users.iter().all(|user| user.password.len() >= 12));
    }
}
