use anyhow::Result;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::{Customer, PASSWORD, Seller, Shop, variables::ADMIN_EMAIL};

impl Shop {
    /// Who runs the shop.
    pub async fn admin(&self) -> Result<Customer> {
        Customer::sign_in(self.clients()?, ADMIN_EMAIL, PASSWORD).await
    }

    /// Somebody new with so much in the wallet.
    pub async fn customer(&self, minor_units: i64) -> Result<Customer> {
        Customer::register(self.clients()?, minor_units).await
    }

    /// As many new customers, each with so much in the wallet.
    pub async fn customers(&self, count: usize, minor_units: i64) -> Result<Vec<Customer>> {
        // No more at once than identity hashes passwords.
        stream::iter(0..count).map(|_| self.customer(minor_units)).buffered(4).try_collect().await
    }

    /// Somebody new with a shop.
    pub async fn seller(&self) -> Result<Seller> {
        Seller::register(self.clients()?, &self.admin().await?).await
    }
}
