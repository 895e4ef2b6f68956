//! The shop: the gateway and the five services inside the test's process, on databases and a broker of the test's own.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result};
use auth::SigningKey;
use clap::Parser as _;
use gateway::Gateway;
use identity::{FirstAdmin, Identity};
use inventory::Inventory;
use notification::Notification;
use order::Order;
use payment::Payment;
use tempfile::TempDir;
use testkit::{
    Broker, Database, Gate, Mailbox, Running, base, config, database, replicas, running, running_at,
    running_front,
};

use crate::terminal::{PASSWORD, Terminal};

pub(crate) const DUNE: &str = "9780441172719";

pub(crate) struct Shop {
    pub(crate) broker: Broker,
    /// Between the terminals and the gateway.
    pub(crate) door: Gate,
    /// Between the gateway and the order service.
    pub(crate) gate: Gate,
    /// Between the gateway and the inventory service.
    pub(crate) books: Gate,
    /// Of the payment service.
    pub(crate) payments: Database,
    payment_address: SocketAddr,
    identity: Running,
    inventory: Option<Running>,
    payment: Option<Running>,
    _order: Running,
    _notification: Running,
    /// Of everybody who has an account.
    _mailbox: Mailbox,
    _gateway: Running,
    /// The gateway's: it reads them again from time to time.
    _certificates: TempDir,
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
        let server = config::<Identity>(&database::<Identity>().await?, &broker)?;
        let (key, _) = SigningKey::generate();
        let first_admin = FirstAdmin::new("admin@example.com", PASSWORD)?;
        let identity =
            running::<Identity>(identity::Config { first_admin, ..identity::Config::new(server, key) })
                .await?;
        let inventory = running::<Inventory>(inventory::Config {
            server: config::<Inventory>(&database::<Inventory>().await?, &broker)?,
            identity_target: identity.target().parse()?,
            reservation_ttl: Duration::from_mins(15),
            sweep_interval: Duration::from_secs(1),
        })
        .await?;
        let order = running::<Order>(order::Config {
            server: config::<Order>(&database::<Order>().await?, &broker)?,
            identity_target: identity.target().parse()?,
            inventory_target: inventory.target().parse()?,
            payment_deadline: Duration::from_mins(2),
            sweep_interval: Duration::from_secs(1),
        })
        .await?;
        let mailbox = Mailbox::open()?;
        let notification = running::<Notification>(notification::Config::new(
            config::<Notification>(&database::<Notification>().await?, &broker)?,
            identity.target().parse()?,
            mailbox.url().parse()?,
            "The Bookstore <shop@bookstore.example>".parse()?,
        ))
        .await?;
        let gate = Gate::to(&order.address.to_string()).await?;
        let books = Gate::to(&inventory.address.to_string()).await?;
        let payment_address = *replicas(1).await?.first().context("no address")?;
        let certificates = TempDir::new()?;
        let gateway = running_front::<Gateway>(gateway::Config {
            base: base::<Gateway>(certificates.path())?,
            identity_target: identity.target().parse()?,
            inventory_target: format!("ipv4:{}", books.address()).parse()?,
            order_target: format!("ipv4:{}", gate.address()).parse()?,
            payment_target: format!("ipv4:{payment_address}").parse()?,
            notification_target: notification.target().parse()?,
            ..gateway::Config::try_parse_from(["gateway"])?
        })
        .await?;
        Ok(Self {
            door: Gate::to(&gateway.address.to_string()).await?,
            gate,
            books,
            payments: database::<Payment>().await?,
            payment_address,
            identity,
            inventory: Some(inventory),
            payment: None,
            broker,
            _order: order,
            _notification: notification,
            _mailbox: mailbox,
            _gateway: gateway,
            _certificates: certificates,
        })
    }

    pub(crate) async fn start_payment(&mut self) -> Result<()> {
        let config = payment::Config {
            server: config::<Payment>(&self.payments, &self.broker)?,
            identity_target: self.identity.target().parse()?,
            currency: "EUR".parse()?,
            cards: payment::Cards::default(),
        };
        self.payment = Some(running_at::<Payment>(config, self.payment_address).await?);
        Ok(())
    }

    /// Nobody answers for it any more.
    pub(crate) async fn stop_inventory(&mut self) -> Result<()> {
        self.inventory.take().context("it was stopped before")?.stop().await
    }

    /// Somebody new.
    pub(crate) fn terminal(&self) -> Result<Terminal> {
        Terminal::new(format!("http://{}", self.door.address()))
    }

    /// Who runs the shop, signed in.
    pub(crate) async fn admin(&self) -> Result<Terminal> {
        let admin = self.terminal()?;
        admin.login("admin").await?;
        Ok(admin)
    }

    /// Somebody who may open a shop, signed in.
    pub(crate) async fn shop_owner(&self, name: &str) -> Result<Terminal> {
        let owner = self.terminal()?;
        owner.register(name).await?;
        let email = format!("{name}@example.com");
        self.admin().await?.prints(&["role", "grant", "shop_owner", "--email", &email]).await?;
        // Until all services have heard of it, within a second, the old sign-in still lacks the role.
        owner.login(name).await?;
        Ok(owner)
    }

    /// A bookseller with a shop.
    pub(crate) async fn bookseller(&self) -> Result<(Terminal, String)> {
        let seller = self.shop_owner("chani").await?;
        let shop =
            seller.answers(&["shop", "register", "--name", "The Sietch", "--city", "Arrakeen"]).await?;
        Ok((seller, shop["shop_id"].as_str().context("no shop")?.to_owned()))
    }

    /// A bookseller who offers so many copies of Dune at 9.99 EUR; answers with the offer.
    pub(crate) async fn seller(&self, copies: &str) -> Result<(Terminal, String)> {
        let (seller, shop_id) = self.bookseller().await?;
        let add = [
            "books",
            "add",
            "--shop",
            &shop_id,
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

    /// A reader with an address and a card.
    pub(crate) async fn reader(&self) -> Result<Terminal> {
        let reader = self.reader_without_card().await?;
        reader.prints(&["card", "add", "tok_visa"]).await?;
        Ok(reader)
    }

    /// A reader with an address.
    pub(crate) async fn reader_without_card(&self) -> Result<Terminal> {
        let reader = self.terminal()?;
        reader.register("ada").await?;
        let address = ["--line", "1 Analytical Way", "--city", "London", "--country", "gb"];
        reader.prints(&[&["address", "add", "--recipient", "Ada"][..], &address].concat()).await?;
        Ok(reader)
    }
}
