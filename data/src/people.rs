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
    pub(crate) shop: Shop,
    pub(crate) users: Vec<User>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shop {
    /// E-mail address of one of the users.
    pub(crate) owner: String,
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
    /// What to top the wallet up with, in minor units.
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

    /// Who can sign in, for people to read.
    pub(crate) fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::UTF8_BORDERS_ONLY).set_header(["Demo account", "Password", "Who it is"]);
        for user in &self.users {
            table.add_row([&user.email, &user.password, &user.about]);
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_of_the_shop_is_a_user() {
        let demo = Demo::read().unwrap();
        assert!(demo.users.iter().any(|user| user.email == demo.shop.owner));
    }

    #[test]
    fn passwords_are_as_long_as_the_shop_asks_for() {
        assert!(Demo::read().unwrap().users.iter().all(|user| user.password.len() >= 12));
    }
}
