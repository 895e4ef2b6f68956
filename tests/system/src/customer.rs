mod money;
mod orders;
mod shipping;

use std::time::Duration;

use anyhow::{Context, Result};
use proto::{
    identity::v1::{
        AuthenticateUserRequest, AuthenticateUserResponse, CreateAddressRequest, CreateUserRequest,
        GrantRoleRequest,
    },
    types::v1::Money,
};
use testkit::as_user;
use tonic::{Code, Request, Response, Status};
use uuid::Uuid;

use crate::Clients;

/// The currency of all tests.
pub(crate) const EUR: &str = "EUR";
/// Of all who sign in.
pub const PASSWORD: &str = "correct horse battery staple";
/// Until an order has ended, faults and all: each consumer killed on the way costs 10 s, after which the broker gives
/// what it held to another.
pub(crate) const END: Duration = Duration::from_mins(2);
/// Between two tries of a call that met a broken shop.
pub(crate) const PAUSE: Duration = Duration::from_millis(100);

/// A signed-in customer with an address.
#[derive(Clone, Debug)]
pub struct Customer {
    pub(crate) clients: Clients,
    /// TypeID, `usr_…`.
    pub user_id: String,
    /// TypeID, `adr_…`.
    pub address_id: String,
    /// What they sign in with.
    pub email: String,
    pub(crate) token: String,
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
    pub async fn register(clients: Clients, minor_units: i64) -> Result<Self> {
        let email = format!("{}@example.com", Uuid::now_v7().simple());
        let request = CreateUserRequest {
            request_id: new_request_id(),
            email: email.clone(),
            password: PASSWORD.to_owned(),
            display_name: "Ada Lovelace".to_owned(),
        };
        let create = async || clients.identity().create_user(request.clone()).await;
        let user = clients.answered("CreateUser", create).await?.context("CreateUser")?;
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
        let call = async |request| customer.clients.identity().create_address(request).await;
        customer.address_id = customer.ask(address, call).await?.context("CreateAddress")?.address_id;
        if minor_units > 0 {
            customer.top_up(minor_units).await?;
        }
        Ok(customer)
    }

    /// Signs in somebody who is registered.
    pub async fn sign_in(clients: Clients, email: &str, password: &str) -> Result<Self> {
        let request = AuthenticateUserRequest { email: email.to_owned(), password: password.to_owned() };
        let sign_in = async || clients.identity().authenticate_user(request.clone()).await;
        let session = clients.answered("AuthenticateUser", sign_in).await?.context("AuthenticateUser")?;
        Self::of(clients, email, session)
    }

    fn of(clients: Clients, email: &str, session: AuthenticateUserResponse) -> Result<Self> {
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
        let call = async |request| self.clients.identity().grant_role(request).await;
        self.ask(request, call).await?.context("GrantRole")?;
        Ok(())
    }

    /// What this customer's calls go through.
    #[must_use]
    pub const fn clients(&self) -> &Clients {
        &self.clients
    }

    /// The access token that this customer's requests carry.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// What the shop says in the end: the same request each time, should it be broken for a while, or busy. Whatever here
    /// asks does so by this, but for watching, and what says that it asks once.
    pub async fn ask<Q: Clone, A>(
        &self,
        message: Q,
        call: impl AsyncFn(Request<Q>) -> Result<Response<A>, Status>,
    ) -> Result<Result<A, Status>> {
        let ask = async || {
            let request = self.request(message.clone());
            call(request.map_err(|error| Status::invalid_argument(error.to_string()))?).await
        };
        self.clients.answered(std::any::type_name::<Q>(), ask).await
    }

    /// A request of this customer's.
    pub fn request<T>(&self, message: T) -> Result<Request<T>> {
        as_user(&self.token, message)
    }
}

/// So much in the currency of all tests.
#[must_use]
pub fn euros(minor_units: i64) -> Money {
    Money { minor_units, currency_code: EUR.to_owned() }
}

/// Nobody has used it before.
#[must_use]
pub fn new_request_id() -> String {
    Uuid::now_v7().to_string()
}
