use std::time::Duration;

use anyhow::{Context, Result, bail};
use proto::{
    identity::v1::{AuthenticateUserRequest, CreateAddressRequest, CreateUserRequest, GrantRoleRequest},
    order::v1::{
        CancelOrderRequest, GetOrderRequest, Order, OrderItem, OrderState, PaymentMethod, PlaceOrderRequest,
    },
    payment::v1::{
        GetBalanceRequest, GetPaymentRequest, Payment, PaymentState, TopUpRequest, get_payment_request,
    },
    types::v1::Money,
};
use testkit::{as_user, eventually};
use tonic::{Code, Request, Status};
use uuid::Uuid;

use crate::{Book, Clients};

/// The currency of all tests.
pub(crate) const EUR: &str = "EUR";
/// Of all who sign in.
pub const PASSWORD: &str = "correct horse battery staple";
/// Until an order has ended, faults and all: each consumer killed on the way costs 30 s, after which the broker gives
/// what it held to another.
const END: Duration = Duration::from_mins(2);
/// Between two tries of a call that met a broken shop.
const PAUSE: Duration = Duration::from_millis(100);

/// A signed-in customer with an address.
#[derive(Clone, Debug)]
pub struct Customer {
    clients: Clients,
    /// TypeID, `usr_…`.
    pub user_id: String,
    /// TypeID, `adr_…`.
    pub address_id: String,
    email: String,
    token: String,
}

/// Whether a failed call may succeed when it is repeated, as clients see it.
#[must_use]
pub fn is_passing(status: &Status) -> bool {
    let broken_connection = matches!(status.code(), Code::Unknown | Code::Cancelled | Code::Internal)
        && std::error::Error::source(status).is_some();
    broken_connection
        || matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted)
}

impl Customer {
    /// Registers, signs in, stores an address and puts money into the wallet.
    pub(crate) async fn register(clients: Clients, minor_units: i64) -> Result<Self> {
        let email = format!("{}@example.com", Uuid::now_v7().simple());
        let request = CreateUserRequest {
            request_id: new_request_id(),
            email: email.clone(),
            password: PASSWORD.to_owned(),
            display_name: "Ada Lovelace".to_owned(),
        };
        let mut identity = clients.identity();
        let user = identity.create_user(request).await.context("CreateUser")?.into_inner();
        let mut customer = Self::sign_in(clients, &email, PASSWORD).await?;
        anyhow::ensure!(customer.user_id == user.user_id, "signed in as somebody else");
        let address = CreateAddressRequest {
            request_id: new_request_id(),
            recipient: "Ada Lovelace".to_owned(),
            lines: vec!["St James's Square 12".to_owned()],
            city: "London".to_owned(),
            region: String::new(),
            postal_code: "SW1Y 4JH".to_owned(),
            country_code: "GB".to_owned(),
        };
        let address = identity.create_address(customer.request(address)?).await.context("CreateAddress")?;
        customer.address_id = address.into_inner().address_id;
        if minor_units > 0 {
            customer.top_up(minor_units).await?;
        }
        Ok(customer)
    }

    /// Signs in somebody who is registered.
    pub async fn sign_in(clients: Clients, email: &str, password: &str) -> Result<Self> {
        let request = AuthenticateUserRequest { email: email.to_owned(), password: password.to_owned() };
        let session =
            clients.identity().authenticate_user(request).await.context("AuthenticateUser")?.into_inner();
        let user_id = session.user.context("no user")?.user_id;
        let (email, token) = (email.to_owned(), session.access_token);
        Ok(Self { clients, user_id, address_id: String::new(), email, token })
    }

    /// Signs in once more: with the permissions of now.
    pub async fn signed_in_again(&self) -> Result<Self> {
        let again = Self::sign_in(self.clients.clone(), &self.email, PASSWORD).await?;
        Ok(Self { address_id: self.address_id.clone(), ..again })
    }

    /// As an admin: gives somebody a role, who then has to sign in again.
    pub async fn grant(&self, user_id: &str, role: &str) -> Result<()> {
        let request = GrantRoleRequest { user_id: user_id.to_owned(), role: role.to_owned() };
        self.clients.identity().grant_role(self.request(request)?).await.context("GrantRole")?;
        Ok(())
    }

    /// The access token that this customer's requests carry.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// A request of this customer's.
    pub fn request<T>(&self, message: T) -> Result<Request<T>> {
        as_user(&self.token, message)
    }

    /// Puts money into the wallet.
    pub async fn top_up(&self, minor_units: i64) -> Result<()> {
        let amount = Some(Money { minor_units, currency_code: EUR.to_owned() });
        let request = TopUpRequest { request_id: new_request_id(), amount };
        self.clients.payment().top_up(self.request(request)?).await.context("TopUp")?;
        Ok(())
    }

    /// What the wallet holds.
    pub async fn balance(&self) -> Result<i64> {
        let request = self.request(GetBalanceRequest { currency_code: String::new() })?;
        let balance = self.clients.payment().get_balance(request).await.context("GetBalance")?.into_inner();
        Ok(balance.balance.context("no balance")?.minor_units)
    }

    /// Waits until the wallet holds so much.
    pub async fn balance_becomes(&self, minor_units: i64) -> Result<()> {
        eventually(&format!("a balance of {minor_units}"), END, async || {
            self.balance().await.is_ok_and(|balance| balance == minor_units).then_some(())
        })
        .await
    }

    /// An order of so many copies of each book.
    #[must_use]
    pub fn order_of(&self, request_id: &str, books: &[(&Book, i32)]) -> PlaceOrderRequest {
        let item = |(book, quantity): &(&Book, i32)| OrderItem {
            offer_id: book.offer_id.clone(),
            quantity: *quantity,
        };
        PlaceOrderRequest {
            request_id: request_id.to_owned(),
            items: books.iter().map(item).collect(),
            address_id: self.address_id.clone(),
            payment_method: PaymentMethod::Wallet.into(),
        }
    }

    /// Places an order; says what the shop said.
    pub async fn try_place(&self, request: PlaceOrderRequest) -> Result<Result<Order, Status>> {
        let answer = self.clients.order().place_order(self.request(request)?).await;
        Ok(answer.map(tonic::Response::into_inner))
    }

    /// Places an order of some copies of a book.
    pub async fn place(&self, book: &Book, quantity: i32) -> Result<Order> {
        self.try_place(self.order_of(&new_request_id(), &[(book, quantity)])).await?.context("PlaceOrder")
    }

    /// As [`Customer::place`], trying again while the shop is broken: the same request each time.
    pub async fn place_in_the_end(&self, book: &Book, quantity: i32) -> Result<Order> {
        let request = self.order_of(&new_request_id(), &[(book, quantity)]);
        answered("PlaceOrder", async || self.try_place(request.clone()).await).await
    }

    /// Cancels an order.
    pub async fn cancel(&self, order_id: &str) -> Result<Order> {
        self.try_cancel(&new_request_id(), order_id).await?.context("CancelOrder")
    }

    /// As [`Customer::cancel`], trying again while the shop is broken: the same request each time.
    pub async fn cancel_in_the_end(&self, order_id: &str) -> Result<Order> {
        let request_id = new_request_id();
        answered("CancelOrder", async || self.try_cancel(&request_id, order_id).await).await
    }

    async fn try_cancel(&self, request_id: &str, order_id: &str) -> Result<Result<Order, Status>> {
        let request = CancelOrderRequest {
            request_id: request_id.to_owned(),
            order_id: order_id.to_owned(),
            note: "changed my mind".to_owned(),
        };
        let answer = self.clients.order().cancel_order(self.request(request)?).await;
        Ok(answer.map(tonic::Response::into_inner))
    }

    /// The order as it is now.
    pub async fn order(&self, order_id: &str) -> Result<Order> {
        let request = self.request(GetOrderRequest { order_id: order_id.to_owned() })?;
        Ok(self.clients.order().get_order(request).await.context("GetOrder")?.into_inner())
    }

    /// The order once it is no longer PENDING.
    pub async fn ended(&self, order_id: &str) -> Result<Order> {
        eventually(&format!("{order_id} has ended"), END, async || {
            self.order(order_id).await.ok().filter(|order| order.state() != OrderState::Pending)
        })
        .await
    }

    /// The payment of an order; `None` if there is none.
    pub async fn payment(&self, order_id: &str) -> Result<Option<Payment>> {
        let payment = Some(get_payment_request::Payment::OrderId(order_id.to_owned()));
        let request = self.request(GetPaymentRequest { payment })?;
        match self.clients.payment().get_payment(request).await {
            Ok(payment) => Ok(Some(payment.into_inner())),
            Err(status) if status.code() == Code::NotFound => Ok(None),
            Err(status) => Err(status).context("GetPayment"),
        }
    }

    /// Waits until the payment of an order stands so.
    pub async fn payment_becomes(&self, order_id: &str, state: PaymentState) -> Result<Payment> {
        eventually(&format!("the payment of {order_id} is {state:?}"), END, async || {
            self.payment(order_id).await.ok().flatten().filter(|payment| payment.state() == state)
        })
        .await
    }
}

/// The answer to a call that is repeated while it fails in passing.
async fn answered<T>(what: &str, mut call: impl AsyncFnMut() -> Result<Result<T, Status>>) -> Result<T> {
    let mut last = None;
    let answer = eventually(what, END, async || match call().await {
        Ok(Err(status)) if is_passing(&status) => {
            last = Some(status);
            tokio::time::sleep(PAUSE).await;
            None
        }
        answer => Some(answer),
    })
    .await;
    match answer {
        Ok(answer) => Ok(answer?.with_context(|| what.to_owned())?),
        Err(timeout) => bail!("{timeout}; last answer: {last:?}"),
    }
}

/// Nobody has used it before.
pub(crate) fn new_request_id() -> String {
    Uuid::now_v7().to_string()
}
