//! The shop: the four services inside the test's process, on databases and a broker of the test's own.

use std::time::Duration;

use anyhow::{Context as _, Result};
use auth::SigningKey;
use identity::Identity;
use inventory::Inventory;
use order::Order;
use payment::Payment;
use testkit::{Broker, Gate, Running, config, database, running};

use crate::terminal::Terminal;

pub(crate) const DUNE: &str = "9780441172719";

pub(crate) struct Shop {
    broker: Broker,
    identity: Running,
    inventory: Running,
    /// Between the terminals and the order service.
    pub(crate) gate: Gate,
    payment: Option<Running>,
    _order: Running,
}

impl Shop {
    pub(crate) async fn open() -> Result<Self> {
        let mut shop = Self::open_without_payment().await?;
        shop.start_payment().await?;
        Ok(shop)
    }

    /// Orders are taken and wait to be paid.
    pub(crate) async fn open_without_payment() -> Result<Self> {
        let broker = Broker::start().await?;
        let server = config(&database::<Identity>().await?, &broker);
        let (key, _) = SigningKey::generate();
        let identity = running::<Identity>(identity::Config::new(server, key)).await?;
        let inventory = running::<Inventory>(inventory::Config {
            server: config(&database::<Inventory>().await?, &broker),
            identity_target: identity.target().parse()?,
            reservation_ttl: Duration::from_mins(15),
            sweep_interval: Duration::from_secs(1),
        })
        .await?;
        let order = running::<Order>(order::Config {
            server: config(&database::<Order>().await?, &broker),
            identity_target: identity.target().parse()?,
            inventory_target: inventory.target().parse()?,
            payment_deadline: Duration::from_mins(2),
            sweep_interval: Duration::from_secs(1),
        })
        .await?;
        let gate = Gate::to(&order.address.to_string()).await?;
        Ok(Self { broker, identity, inventory, gate, payment: None, _order: order })
    }

    pub(crate) async fn start_payment(&mut self) -> Result<()> {
        let payment = running::<Payment>(payment::Config {
            server: config(&database::<Payment>().await?, &self.broker),
            identity_target: self.identity.target().parse()?,
            currency: "EUR".parse()?,
        })
        .await?;
        self.payment = Some(payment);
        Ok(())
    }

    /// Somebody new.
    pub(crate) fn terminal(&self) -> Result<Terminal> {
        let mut addresses = vec![
            ("BOOKSTORE_IDENTITY", format!("http://{}", self.identity.address)),
            ("BOOKSTORE_INVENTORY", format!("http://{}", self.inventory.address)),
            ("BOOKSTORE_ORDER", format!("http://{}", self.gate.address())),
        ];
        addresses.extend(
            self.payment.iter().map(|payment| ("BOOKSTORE_PAYMENT", format!("http://{}", payment.address))),
        );
        Terminal::new(addresses)
    }

    /// A bookseller who offers so many copies of Dune at 9.99 EUR; answers with the offer.
    pub(crate) async fn seller(&self, copies: &str) -> Result<(Terminal, String)> {
        let seller = self.terminal()?;
        seller.register("chani").await?;
        let shop =
            seller.answers(&["shop", "register", "--name", "The Sietch", "--city", "Arrakeen"]).await?;
        let shop_id = shop["shop_id"].as_str().context("no shop")?;
        let add = [
            "book",
            "add",
            "--shop",
            shop_id,
            "--title",
            "Dune",
            "--author",
            "Frank Herbert",
            "--isbn",
            DUNE,
        ];
        let about = ["--category", "science-fiction", "--price", "9.99 EUR", "--stock", copies];
        let book = seller.answers(&[&add[..], &about].concat()).await?;
        let offer = book["offers"][0]["offer_id"].as_str().context("no offer")?;
        Ok((seller, offer.to_owned()))
    }

    /// A reader with an address.
    pub(crate) async fn reader(&self) -> Result<Terminal> {
        let reader = self.terminal()?;
        reader.register("ada").await?;
        let address = ["--line", "1 Analytical Way", "--city", "London", "--country", "gb"];
        reader.prints(&[&["address", "add", "--recipient", "Ada"][..], &address].concat()).await?;
        Ok(reader)
    }
}
