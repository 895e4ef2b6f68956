//! A shop in which somebody owns one of everything.

use std::{collections::HashMap, time::Duration};

use anyhow::{Context, Result};
use auth::{Access, Issuer, Permission, SigningKey};
use proto::{
    events::v1::ListRequest,
    identity::v1::{
        AuthenticateUserRequest, CreateAddressRequest, CreateUserRequest, LogoutRequest, RevokeRoleRequest,
    },
    inventory::v1::{
        AddBookRequest, GetStockRequest, Line, RegisterShopRequest, ReserveStockRequest, Shop as Registered,
    },
    order::v1::{
        CancelOrderRequest, OrderItem, OrderState, PaymentState, RequestReturnRequest, ShipmentState,
        UpdateOrderStatusRequest,
    },
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
const REASON_OF_RETURN: &str = "zxreturn: read it already";
pub(crate) const TRACKING: &str = "zxtrack-4711";

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
    pub(crate) location_id: String,
    pub(crate) book: Book,
    /// A book that nobody orders.
    pub(crate) spare: Book,
    /// An address of the owner's that nothing goes to.
    pub(crate) spare_address: String,
    pub(crate) card_id: String,
    /// A card of the owner's that pays nothing.
    pub(crate) spare_card: String,
    /// Who works in the owner's shop, and may go.
    pub(crate) bystander_id: String,
    /// An access token and a refresh token of a bystander's.
    pub(crate) bystander: (String, String),
    /// Users whom an admin may delete.
    pub(crate) expendable: String,
    /// An order that is CONFIRMED.
    pub(crate) kept: String,
    /// An order that the owner has cancelled, with a note.
    pub(crate) withdrawn: String,
    /// An order that has arrived, and one book of which is to go back.
    pub(crate) arrived: String,
    pub(crate) return_id: String,
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
        let bystander = sign_up(&clients, BYSTANDER, "Bystander").await?;
        let tokens = tokens(&clients, BYSTANDER).await?;
        let expendable = sign_up(&clients, "expendable@example.com", "Expendable").await?;
        let owner = with_address(&clients, seller(&admin, owner).await?).await?;
        let spare_address = with_address(&clients, owner.clone()).await?.address_id;
        owner.top_up(987_643).await?;
        let spare_card = owner.add_card("tok_mastercard").await?.card_id;
        let card_id = owner.add_card("tok_visa").await?.card_id;
        let registered = register_shop(&clients, &owner, "The owner's").await?;
        let book = add_book(&clients, &owner, &registered.shop_id).await?;
        let spare = add_book(&clients, &owner, &registered.shop_id).await?;
        let location = registered.locations.first().context("a shop without a location")?.location_id.clone();

        let kept = owner.place(&book, 2).await?.order_id;
        anyhow::ensure!(owner.ended(&kept).await?.state() == OrderState::Confirmed);
        let payment_id = owner.payment_becomes(&kept, Paid::Captured).await?.payment_id;
        let withdrawn = withdrawn(&clients, &owner, &book).await?;
        let (arrived, return_id) = arrived(&clients, &owner, &book, &registered.shop_id).await?;
        let key_of_reservation = new_request_id();
        let lines = vec![Line { offer_id: book.offer_id.clone(), quantity: 3 }];
        let reserve = ReserveStockRequest { key: key_of_reservation.clone(), lines };
        let mut inventory = shop.clients_as("order", Service::Inventory)?.inventory();
        let reservation_id =
            inventory.reserve_stock(reserve).await.context("ReserveStock")?.into_inner().reservation_id;
        eventually("what was cancelled is on the shelf again", SOON, async || {
            let request = owner.request(GetStockRequest { offer_id: book.offer_id.clone() }).ok()?;
            let levels = clients.inventory().get_stock(request).await.ok()?.into_inner().levels;
            matches!(&levels[..], [level] if (level.on_hand, level.reserved) == (96, 3)).then_some(())
        })
        .await?;

        // Signed up, three orders confirmed, one cancelled and refunded, one sent.
        shop.mailbox.received(EMAIL, 7, SOON).await?;
        let letters = letters(&shop, (&owner.user_id, &withdrawn, &reservation_id)).await?;
        let mut secrets = vec![
            Secret::text("e-mail", EMAIL),
            Secret::text("name", NAME),
            Secret::text("recipient", RECIPIENT),
            Secret::text("street", STREET),
            Secret::text("note", NOTE),
            Secret::text("user", &owner.user_id),
            Secret::text("address", &owner.address_id),
            Secret::text("location", &location),
            Secret::text("order kept", &kept),
            Secret::text("order withdrawn", &withdrawn),
            Secret::text("order that has arrived", &arrived),
            Secret::text("return", &return_id),
            Secret::text("reason of the return", REASON_OF_RETURN),
            Secret::text("tracking number", TRACKING),
            Secret::text("card", &card_id),
            Secret::text("spare card", &spare_card),
            Secret::text("spare address", &spare_address),
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
            location_id: location,
            shop_id: registered.shop_id,
            spare,
            spare_address,
            card_id,
            spare_card,
            bystander_id: bystander.user_id,
            bystander: tokens,
            expendable: expendable.user_id,
            arrived,
            return_id,
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

/// An access token and a refresh token.
async fn tokens(clients: &Clients, email: &str) -> Result<(String, String)> {
    let request = AuthenticateUserRequest { email: email.to_owned(), password: PASSWORD.to_owned() };
    let session = clients.identity().authenticate_user(request).await.context("AuthenticateUser")?;
    let session = session.into_inner();
    Ok((session.access_token, session.refresh_token))
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
        title: format!("Notes on the Analytical Engine, {}", new_request_id()),
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

/// Dead letters of every service, about a user, an order and a reservation.
async fn letters(shop: &Shop, about: (&str, &str, &str)) -> Result<HashMap<Service, Letters>> {
    let mut letters = HashMap::new();
    for service in Service::WITH_DATABASE {
        letters.insert(service, Letters::plant(shop, service, about).await?);
    }
    Ok(letters)
}

/// An order that has arrived, and a return of a book of it.
async fn arrived(
    clients: &Clients,
    owner: &Customer,
    book: &Book,
    shop_id: &str,
) -> Result<(String, String)> {
    let order_id = owner.place(book, 2).await?.order_id;
    anyhow::ensure!(owner.ended(&order_id).await?.state() == OrderState::Confirmed);
    let mut order = clients.order();
    for state in [ShipmentState::Shipped, ShipmentState::Delivered] {
        let tracking = if state == ShipmentState::Shipped { TRACKING } else { "" };
        let request = UpdateOrderStatusRequest {
            request_id: new_request_id(),
            order_id: order_id.clone(),
            shop_id: shop_id.to_owned(),
            state: state.into(),
            tracking_number: tracking.to_owned(),
            ..Default::default()
        };
        order.update_order_status(owner.request(request)?).await.context("UpdateOrderStatus")?;
    }
    let request = RequestReturnRequest {
        request_id: new_request_id(),
        order_id: order_id.clone(),
        items: vec![OrderItem { offer_id: book.offer_id.clone(), quantity: 1 }],
        reason: REASON_OF_RETURN.to_owned(),
        ..Default::default()
    };
    let returned = order.request_return(owner.request(request)?).await.context("RequestReturn")?;
    Ok((order_id, returned.into_inner().return_id))
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
