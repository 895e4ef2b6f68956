//! A shop in which somebody owns one of everything.

use std::{collections::HashMap, time::Duration};

use anyhow::{Context, Result};
use auth::{Access, Issuer, Permission, SigningKey};
use proto::{
    events::v1::ListRequest,
    identity::v1::{CreateAddressRequest, CreateUserRequest, LogoutRequest, RevokeRoleRequest},
    inventory::v1::{
        AddBookRequest, GetStockRequest, Line, RegisterShopRequest, ReserveStockRequest, Shop as Registered,
    },
    order::v1::{CancelOrderRequest, OrderState, PaymentState},
    payment::v1::{ListLedgerEntriesRequest, PaymentState as Paid},
    types::v1::Money,
};
use secrecy::ExposeSecret;
use system_tests::{Book, Clients, Customer, Options, PASSWORD, Service, Shop};
use testkit::eventually;
use tonic::Code;
use uuid::Uuid;
use values::{Clock, SessionId};

use super::{
    callers::User,
    letters::{Letters, REASON},
    secrets::Secret,
};

/// Until what was done is known everywhere.
const SOON: Duration = Duration::from_secs(30);

/// Whom the tests of `AuthenticateUser` sign in: nobody's data is theirs.
pub(crate) const BYSTANDER: &str = "bystander@example.com";
pub(crate) const EMAIL: &str = "zx.owner.mail@example.com";
const NAME: &str = "Zxownername Lovelace";
const RECIPIENT: &str = "Zxrecipient Lovelace";
const STREET: &str = "Zxstreet 12";
const NOTE: &str = "zxnote: it rained";

pub(crate) struct World {
    pub(crate) shop: Shop,
    pub(crate) owner: Customer,
    admin: Customer,
    roleless: Customer,
    other_customer: Customer,
    other_seller: Customer,
    expired: String,
    forged: String,
    logged_out: String,
    pub(crate) shop_id: String,
    pub(crate) book: Book,
    /// An order that is CONFIRMED.
    pub(crate) kept: String,
    /// An order that the owner has cancelled, with a note.
    pub(crate) withdrawn: String,
    pub(crate) payment_id: String,
    /// What the order service has reserved: the key, and the reservation.
    pub(crate) reservation: (String, String),
    pub(crate) letters: HashMap<Service, Letters>,
    /// What nobody else may read.
    pub(crate) secrets: Vec<Secret>,
}

pub(crate) fn new_request_id() -> String {
    Uuid::now_v7().to_string()
}

pub(crate) fn euros(minor_units: i64) -> Money {
    Money { minor_units, currency_code: "EUR".to_owned() }
}

impl World {
    pub(crate) async fn open() -> Result<Self> {
        let (key, pem) = SigningKey::generate();
        let variables = vec![("BOOKSTORE_SIGNING_KEY", pem)];
        let shop = Shop::start_with(Options { variables, ..Options::default() }).await?;
        let (clients, admin) = (shop.clients()?, shop.admin().await?);

        let owner = sign_up(&clients, EMAIL, NAME).await?;
        sign_up(&clients, BYSTANDER, "Bystander").await?;
        let owner = with_address(&clients, seller(&admin, owner).await?).await?;
        owner.top_up(987_643).await?;
        let registered = register_shop(&clients, &owner, "The owner's").await?;
        let book = add_book(&clients, &owner, &registered.shop_id).await?;
        let location = &registered.locations.first().context("a shop without a location")?.location_id;

        let kept = owner.place(&book, 2).await?.order_id;
        anyhow::ensure!(owner.ended(&kept).await?.state() == OrderState::Confirmed);
        let payment_id = owner.payment_becomes(&kept, Paid::Captured).await?.payment_id;
        let withdrawn = withdrawn(&clients, &owner, &book).await?;
        let key_of_reservation = new_request_id();
        let lines = vec![Line { offer_id: book.offer_id.clone(), quantity: 3 }];
        let reserve = ReserveStockRequest { key: key_of_reservation.clone(), lines };
        let mut inventory = shop.clients_as("order", Service::Inventory)?.inventory();
        let reservation_id =
            inventory.reserve_stock(reserve).await.context("ReserveStock")?.into_inner().reservation_id;
        eventually("what was cancelled is on the shelf again", SOON, async || {
            let request = owner.request(GetStockRequest { offer_id: book.offer_id.clone() }).ok()?;
            let levels = clients.inventory().get_stock(request).await.ok()?.into_inner().levels;
            matches!(&levels[..], [level] if (level.on_hand, level.reserved) == (98, 3)).then_some(())
        })
        .await?;

        let mut letters = HashMap::new();
        for service in Service::WITH_DATABASE {
            let about = (&*owner.user_id, &*withdrawn, &*reservation_id);
            letters.insert(service, Letters::plant(&shop, service, about).await?);
        }
        let mut secrets = vec![
            Secret::text("e-mail", EMAIL),
            Secret::text("name", NAME),
            Secret::text("recipient", RECIPIENT),
            Secret::text("street", STREET),
            Secret::text("note", NOTE),
            Secret::text("user", &owner.user_id),
            Secret::text("address", &owner.address_id),
            Secret::text("location", location),
            Secret::text("order kept", &kept),
            Secret::text("order withdrawn", &withdrawn),
            Secret::text("payment", &payment_id),
            Secret::text("reservation", &reservation_id),
            Secret::text("reason", REASON),
            Secret::message("balance", &euros(owner.balance().await?)),
        ];
        let entries = owner.request(ListLedgerEntriesRequest::default())?;
        for entry in clients.payment().list_ledger_entries(entries).await?.into_inner().entries {
            secrets.push(Secret::text("transfer", &entry.transfer_id));
        }
        secrets.extend(letters.values().flat_map(Letters::secrets));

        let other_seller = seller(&admin, shop.customer(0).await?).await?;
        register_shop(&clients, &other_seller, "The other's").await?;
        Ok(Self {
            expired: token_of(&owner, key, Duration::from_hours(1))?,
            forged: token_of(&owner, SigningKey::generate().0, Duration::ZERO)?,
            logged_out: logged_out(&shop, &owner).await?,
            roleless: roleless(&clients, &admin, shop.customer(0).await?).await?,
            other_customer: shop.customer(0).await?,
            shop_id: registered.shop_id,
            reservation: (key_of_reservation, reservation_id),
            shop,
            owner,
            admin,
            other_seller,
            book,
            kept,
            withdrawn,
            payment_id,
            letters,
            secrets,
        })
    }

    /// The token that a user's calls carry, of a session of its own if that is about to end.
    pub(crate) async fn token(&self, user: User, of_its_own: bool) -> Result<Option<String>> {
        let signed_in = match user {
            User::Anonymous => return Ok(None),
            User::Expired => return Ok(Some(self.expired.clone())),
            User::Forged => return Ok(Some(self.forged.clone())),
            User::LoggedOut => return Ok(Some(self.logged_out.clone())),
            User::Roleless => &self.roleless,
            User::OtherCustomer => &self.other_customer,
            User::OtherSeller => &self.other_seller,
            User::Owner => &self.owner,
            User::Admin => &self.admin,
        };
        if of_its_own {
            // The admin's name is the shop's affair.
            let again = if user == User::Admin {
                self.shop.admin().await?
            } else {
                signed_in.signed_in_again().await?
            };
            return Ok(Some(again.token().to_owned()));
        }
        Ok(Some(signed_in.token().to_owned()))
    }
}

async fn sign_up(clients: &Clients, email: &str, name: &str) -> Result<Customer> {
    let request = CreateUserRequest {
        request_id: new_request_id(),
        email: email.to_owned(),
        password: PASSWORD.to_owned(),
        display_name: name.to_owned(),
    };
    clients.identity().create_user(request).await.context("CreateUser")?;
    Customer::sign_in(clients.clone(), email, PASSWORD).await
}

async fn seller(admin: &Customer, customer: Customer) -> Result<Customer> {
    admin.grant(&customer.user_id, "shop_owner").await?;
    customer.signed_in_again().await
}

async fn roleless(clients: &Clients, admin: &Customer, customer: Customer) -> Result<Customer> {
    let request = RevokeRoleRequest { user_id: customer.user_id.clone(), role: "customer".to_owned() };
    clients.identity().revoke_role(admin.request(request)?).await.context("RevokeRole")?;
    customer.signed_in_again().await
}

async fn with_address(clients: &Clients, mut customer: Customer) -> Result<Customer> {
    let request = CreateAddressRequest {
        request_id: new_request_id(),
        recipient: RECIPIENT.to_owned(),
        lines: vec![STREET.to_owned()],
        city: "London".to_owned(),
        country_code: "GB".to_owned(),
        ..Default::default()
    };
    let address = clients.identity().create_address(customer.request(request)?).await?.into_inner();
    customer.address_id = address.address_id;
    Ok(customer)
}

async fn register_shop(clients: &Clients, owner: &Customer, name: &str) -> Result<Registered> {
    let (name, city) = (name.to_owned(), "Paris".to_owned());
    let request = RegisterShopRequest { request_id: new_request_id(), name, city };
    let shop = clients.inventory().register_shop(owner.request(request)?).await.context("RegisterShop")?;
    Ok(shop.into_inner())
}

async fn add_book(clients: &Clients, owner: &Customer, shop_id: &str) -> Result<Book> {
    let request = AddBookRequest {
        request_id: new_request_id(),
        shop_id: shop_id.to_owned(),
        title: "Notes on the Analytical Engine".to_owned(),
        authors: vec!["Ada Lovelace".to_owned()],
        price: Some(euros(1_000)),
        initial_stock: 100,
        ..Default::default()
    };
    let book = clients.inventory().add_book(owner.request(request)?).await.context("AddBook")?.into_inner();
    let offer_id = book.offers.first().context("no offer")?.offer_id.clone();
    Ok(Book { offer_id, edition_id: book.edition_id, price: 1_000 })
}

/// An order that was cancelled once it was paid, after all that follows from it.
async fn withdrawn(clients: &Clients, owner: &Customer, book: &Book) -> Result<String> {
    let order_id = owner.place(book, 1).await?.order_id;
    anyhow::ensure!(owner.ended(&order_id).await?.state() == OrderState::Confirmed);
    let (request_id, note) = (new_request_id(), NOTE.to_owned());
    let request = CancelOrderRequest { request_id, order_id: order_id.clone(), note };
    clients.order().cancel_order(owner.request(request)?).await.context("CancelOrder")?;
    eventually("the cancelled order is refunded", SOON, async || {
        let order = owner.order(&order_id).await.ok()?;
        (order.payment_state() == PaymentState::Refunded).then_some(())
    })
    .await?;
    Ok(order_id)
}

/// A token of the owner's from so long ago.
fn token_of(owner: &Customer, key: SigningKey, ago: Duration) -> Result<String> {
    let access = Access { version: 1_000, permissions: Permission::ALL.to_vec() };
    let issuer = Issuer::new(key, Duration::from_mins(15));
    let token =
        issuer.issue(owner.user_id.parse()?, SessionId::new(), &access, Clock::system().now() - ago)?;
    Ok(token.token.expose_secret().to_owned())
}

/// A token whose session has ended, as every service knows.
async fn logged_out(shop: &Shop, owner: &Customer) -> Result<String> {
    let again = owner.signed_in_again().await?;
    shop.clients()?.identity().logout(again.request(LogoutRequest {})?).await.context("Logout")?;
    for service in Service::WITH_DATABASE {
        eventually("the sign-out is known everywhere", SOON, async || {
            let mut letters = shop.clients_as("gateway", service).ok()?.dead_letters();
            let refused = letters.list(again.request(ListRequest::default()).ok()?).await.err()?;
            (refused.code() == Code::Unauthenticated).then_some(())
        })
        .await?;
    }
    Ok(again.token().to_owned())
}
