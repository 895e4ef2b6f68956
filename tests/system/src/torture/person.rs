use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use proto::{
    identity::v1::{
        AuthenticateUserRequest, AuthenticateUserResponse, CreateAddressRequest, CreateUserRequest,
        GetUserRequest, ListAddressesRequest,
    },
    order::v1::{GetOrderRequest, OrderState, PlaceOrderRequest},
    payment::v1::{AddCardRequest, TopUpRequest},
};
use tonic::{Code, Status};
use uuid::Uuid;

use crate::{Clients, Customer, PASSWORD, euros, new_request_id};

/// What each wallet is filled with: more than anybody spends.
const WALLET: i64 = 1_000_000;
const CARD: &str = "tok_visa";

/// Who somebody is, as the shop has said.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) customer: Customer,
    pub(super) name: String,
    pub(super) card_id: String,
    /// Their cities.
    pub(super) addresses: BTreeMap<String, String>,
    /// What was sent, and the id of what it became.
    pub(super) orders: Vec<(PlaceOrderRequest, String)>,
    pub(super) has_left: bool,
}

impl Person {
    /// Registers, with an address, a card and money.
    pub(super) async fn arrive(clients: &Clients, number: usize) -> Result<Self> {
        let name = format!("Visitor {number}");
        let email = format!("{}@example.com", Uuid::now_v7().simple());
        let request = CreateUserRequest {
            request_id: new_request_id(),
            email: email.clone(),
            password: PASSWORD.to_owned(),
            display_name: name.clone(),
        };
        let create = async || clients.identity().create_user(request.clone()).await;
        let user = clients.answered("CreateUser", create).await?.context("CreateUser")?;
        let session = signed_in(clients, &email).await?.context("AuthenticateUser")?;
        let customer = Customer {
            clients: clients.clone(),
            user_id: user.user_id,
            address_id: String::new(),
            email,
            token: session.access_token,
        };
        let card = AddCardRequest { request_id: new_request_id(), token: CARD.to_owned() };
        let call = async |request| clients.payment().add_card(request).await;
        let card_id = customer.ask(card, call).await?.context("AddCard")?.card_id;
        let money = TopUpRequest {
            request_id: new_request_id(),
            amount: Some(euros(WALLET)),
            card_id: card_id.clone(),
        };
        let call = async |request| clients.payment().top_up(request).await;
        customer.ask(money, call).await?.context("TopUp")?;
        let (addresses, orders) = (BTreeMap::new(), Vec::new());
        let mut person = Self { customer, name, card_id, addresses, orders, has_left: false };
        person.moves(clients, "London".to_owned()).await?;
        Ok(person)
    }

    /// To another address.
    pub(super) async fn moves(&mut self, clients: &Clients, city: String) -> Result<()> {
        let request = CreateAddressRequest {
            request_id: new_request_id(),
            recipient: self.name.clone(),
            lines: vec!["St James's Square 12".to_owned()],
            city: city.clone(),
            postal_code: "SW1Y 4JH".to_owned(),
            country_code: "GB".to_owned(),
            ..Default::default()
        };
        let call = async |request| clients.identity().create_address(request).await;
        let address = self.customer.ask(request, call).await?.context("CreateAddress")?;
        self.addresses.insert(address.address_id.clone(), city);
        self.customer.address_id = address.address_id;
        Ok(())
    }

    /// Begins another session.
    pub(super) async fn signs_in(&mut self, clients: &Clients) -> Result<()> {
        let session = signed_in(clients, &self.customer.email).await?.context("AuthenticateUser")?;
        self.customer.token = session.access_token;
        Ok(())
    }

    /// Whether the shop knows all that it has said, and nothing else.
    pub(super) async fn is_as_told(&self, clients: &Clients) -> Result<()> {
        let session = signed_in(clients, &self.customer.email).await?;
        if self.has_left {
            let code = session.err().map(|status| status.code());
            ensure!(code == Some(Code::Unauthenticated), "who was deleted signs in: {code:?}");
            return Ok(());
        }
        session.context("AuthenticateUser")?;
        let call = async |request| clients.identity().get_user(request).await;
        let user = self.customer.ask(GetUserRequest::default(), call).await?.context("GetUser")?;
        ensure!(user.display_name == self.name, "{} is {}", self.name, user.display_name);
        let call = async |request| clients.identity().list_addresses(request).await;
        let everything = ListAddressesRequest { page_size: 100, ..Default::default() };
        let seen = self.customer.ask(everything, call).await?.context("ListAddresses")?.addresses;
        let seen: BTreeMap<_, _> =
            seen.into_iter().map(|address| (address.address_id, address.city)).collect();
        ensure!(seen == self.addresses, "addresses {seen:?}, not {:?}", self.addresses);
        for (request, order_id) in &self.orders {
            let call = async |request| clients.order().get_order(request).await;
            let ask = GetOrderRequest { order_id: order_id.clone() };
            let order = self.customer.ask(ask, call).await?.with_context(|| order_id.clone())?;
            ensure!(order.state() != OrderState::Pending, "{order_id} is still PENDING");
            ensure!(order.lines.len() == request.items.len(), "{order_id} has other lines");
        }
        Ok(())
    }
}

async fn signed_in(clients: &Clients, email: &str) -> Result<Result<AuthenticateUserResponse, Status>> {
    let request = AuthenticateUserRequest { email: email.to_owned(), password: PASSWORD.to_owned() };
    let call = async || clients.identity().authenticate_user(request.clone()).await;
    clients.answered("AuthenticateUser", call).await
}
