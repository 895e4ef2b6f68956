use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use proto::{
    identity::v1::{DeleteUserRequest, LogoutRequest, UpdateAddressRequest, UpdateUserRequest},
    inventory::v1::ListBooksRequest,
    order::v1::{
        CancelOrderRequest, GetOrderRequest, Order, OrderItem, OrderState, PaymentMethod, PlaceOrderRequest,
        WatchOrderRequest,
    },
};
use tokio::time::{Instant, sleep_until};
use tonic::{Code, Response, Status};

use super::{
    deeds::{Deed, Deeds},
    person::Person,
};
use crate::{Book, Clients, PASSWORD, new_request_id};

/// Between the beginnings of two deeds.
const PACE: Duration = Duration::from_millis(150);

/// Somebody from outside who registers, orders, moves and leaves, one after the other, and repeats what got no answer.
#[derive(Debug)]
pub(super) struct Visitor {
    clients: Clients,
    deeds: Deeds,
    books: Arc<Vec<Book>>,
    /// Those who left and the one who is there.
    people: Vec<Person>,
}

impl Visitor {
    pub(super) fn new(clients: Clients, seed: u64, books: Arc<Vec<Book>>) -> Self {
        Self { clients, deeds: Deeds::of(seed), books, people: Vec::new() }
    }

    /// Goes on until it is time.
    pub(super) async fn act(&mut self, until: Instant) -> Result<()> {
        while Instant::now() < until {
            let next = Instant::now() + PACE;
            let Some(deed) = self.deeds.next() else { break };
            let what = format!("{deed:?}");
            self.done(deed).await.with_context(|| format!("a visitor: {what}"))?;
            sleep_until(next).await;
        }
        Ok(())
    }

    /// The ids of all orders.
    pub(super) fn orders(&self) -> impl Iterator<Item = &String> {
        self.people.iter().flat_map(|person| &person.orders).map(|(_, id)| id)
    }

    /// Once all is quiet: everything is as it was said.
    pub(super) async fn check(&self) -> Result<()> {
        for person in &self.people {
            person.is_as_told(&self.clients).await.with_context(|| person.customer.user_id.clone())?;
        }
        Ok(())
    }

    async fn done(&mut self, deed: Deed) -> Result<()> {
        if self.people.last().is_none_or(|person| person.has_left) {
            let number = self.people.len();
            self.people.push(Person::arrive(&self.clients, number).await?);
        }
        let Some(person) = self.people.last_mut() else { return Ok(()) };
        let clients = &self.clients;
        match deed {
            Deed::Order { lines, by_card } => order(clients, person, &self.books, &lines, by_card).await,
            Deed::OrderAgain { back } => {
                let Some((request, id)) = ordered(person, back) else { return Ok(()) };
                let order = placed(clients, person, &request).await?.context("the same order again")?;
                ensure!(order.order_id == id, "{id} became {}", order.order_id);
                Ok(())
            }
            Deed::Cancel { back } => cancel(clients, person, back).await,
            Deed::Look { back } => {
                let Some((_, order_id)) = ordered(person, back) else { return Ok(()) };
                let call = async |request| clients.order().get_order(request).await;
                let order = person.customer.ask(GetOrderRequest { order_id: order_id.clone() }, call).await?;
                ensure!(order.context("GetOrder")?.order_id == order_id, "{order_id} is another");
                Ok(())
            }
            Deed::Watch { back } => {
                let Some((_, order_id)) = ordered(person, back) else { return Ok(()) };
                let call = async |request| {
                    let mut changes = clients.order().watch_order(request).await?.into_inner();
                    let first = changes.message().await?;
                    first.map(Response::new).ok_or_else(|| Status::data_loss("nothing was seen"))
                };
                person.customer.ask(WatchOrderRequest { order_id }, call).await?.context("WatchOrder")?;
                Ok(())
            }
            Deed::Browse => {
                let call = async |request| clients.inventory().list_books(request).await;
                person.customer.ask(ListBooksRequest::default(), call).await?.context("ListBooks")?;
                Ok(())
            }
            Deed::Rename { number } => rename(clients, person, format!("Reader {number}")).await,
            Deed::Move { city } => person.moves(clients, format!("City {city}")).await,
            Deed::Redirect { city } => redirect(clients, person, format!("Town {city}")).await,
            Deed::SignInAgain => person.signs_in(clients).await,
            Deed::SignOut => {
                let call = async |request| clients.identity().logout(request).await;
                gone(person.customer.ask(LogoutRequest {}, call).await?).context("Logout")?;
                person.signs_in(clients).await
            }
            Deed::Leave => leave(clients, person).await,
        }
    }
}

async fn order(
    clients: &Clients,
    person: &mut Person,
    books: &[Book],
    lines: &[(usize, i32)],
    by_card: bool,
) -> Result<()> {
    let item = |(book, quantity): &(usize, i32)| OrderItem {
        offer_id: books[*book].offer_id.clone(),
        quantity: *quantity,
    };
    let (method, card_id) = if by_card {
        (PaymentMethod::Card, person.card_id.clone())
    } else {
        (PaymentMethod::Wallet, String::new())
    };
    let request = PlaceOrderRequest {
        request_id: new_request_id(),
        items: lines.iter().map(item).collect(),
        address_id: person.customer.address_id.clone(),
        payment_method: method.into(),
        card_id,
    };
    let order = placed(clients, person, &request).await?.context("PlaceOrder")?;
    person.orders.push((request, order.order_id));
    Ok(())
}

async fn placed(
    clients: &Clients,
    person: &Person,
    request: &PlaceOrderRequest,
) -> Result<Result<Order, Status>> {
    let call = async |request| clients.order().place_order(request).await;
    person.customer.ask(request.clone(), call).await
}

async fn cancel(clients: &Clients, person: &Person, back: usize) -> Result<()> {
    let Some((_, order_id)) = ordered(person, back) else { return Ok(()) };
    let request = CancelOrderRequest { request_id: new_request_id(), order_id, note: String::new() };
    let call = async |request| clients.order().cancel_order(request).await;
    match person.customer.ask(request, call).await? {
        Ok(order) => ensure!(order.state() == OrderState::Cancelled, "cancelled, it is {:?}", order.state()),
        // No longer to be cancelled.
        Err(status) if status.code() == Code::FailedPrecondition => {}
        Err(status) => return Err(status).context("CancelOrder"),
    }
    Ok(())
}

async fn rename(clients: &Clients, person: &mut Person, name: String) -> Result<()> {
    let request = UpdateUserRequest {
        display_name: name.clone(),
        update_mask: Some(prost_types::FieldMask { paths: vec!["display_name".to_owned()] }),
        ..Default::default()
    };
    let call = async |request| clients.identity().update_user(request).await;
    person.customer.ask(request, call).await?.context("UpdateUser")?;
    person.name = name;
    Ok(())
}

async fn redirect(clients: &Clients, person: &mut Person, city: String) -> Result<()> {
    let request = UpdateAddressRequest {
        address_id: person.customer.address_id.clone(),
        city: city.clone(),
        update_mask: Some(prost_types::FieldMask { paths: vec!["city".to_owned()] }),
        ..Default::default()
    };
    let call = async |request| clients.identity().update_address(request).await;
    person.customer.ask(request, call).await?.context("UpdateAddress")?;
    person.addresses.insert(person.customer.address_id.clone(), city);
    Ok(())
}

async fn leave(clients: &Clients, person: &mut Person) -> Result<()> {
    let request = DeleteUserRequest { user_id: String::new(), current_password: PASSWORD.to_owned() };
    let call = async |request| clients.identity().delete_user(request).await;
    gone(person.customer.ask(request, call).await?).context("DeleteUser")?;
    person.has_left = true;
    Ok(())
}

/// An order of the person's, the last one first; none if there are none.
fn ordered(person: &Person, back: usize) -> Option<(PlaceOrderRequest, String)> {
    let last = person.orders.len().checked_sub(1)?;
    person.orders.get(last - back.min(last)).cloned()
}

/// A session that has ended was ended by the try before, whose answer was lost.
fn gone<T>(answer: Result<T, Status>) -> Result<()> {
    match answer {
        Ok(_) => Ok(()),
        Err(status) if status.code() == Code::Unauthenticated => Ok(()),
        Err(status) => bail!(status),
    }
}
