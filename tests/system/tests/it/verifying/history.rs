//! A shop in which something of everything has happened.

use anyhow::{Context as _, Result};
use proto::{
    identity::v1::DeleteUserRequest,
    order::v1::{OrderState, ShipmentState},
    payment::v1::{PaymentState, WithdrawRequest},
    types::v1::Money,
};
use system_tests::{Book, Customer, Options, PASSWORD, Seller, Shop, new_request_id};
use testkit::as_user;

pub(super) struct History {
    pub(super) shop: Shop,
    pub(super) placed: Vec<String>,
}

impl History {
    /// Orders by wallet and by card, that go every way there is, and all that belongs to them.
    pub(super) async fn happen() -> Result<Self> {
        let shop = Shop::start_with(Options::default()).await?;
        let seller = shop.seller().await?;
        let book = seller.add_book(1_000, 100).await?;
        let customer = shop.customer(20_000).await?;
        let card = customer.add_card("tok_visa").await?.card_id;
        let mut placed = Vec::new();
        for card in [None, Some(card.as_str())] {
            confirmed(&customer, &book, card, &mut placed).await?;
            let cancelled = confirmed(&customer, &book, card, &mut placed).await?;
            customer.cancel(&cancelled).await?;
            customer.payment_becomes(&cancelled, PaymentState::Refunded).await?;
            let sent = confirmed(&customer, &book, card, &mut placed).await?;
            let owner = seller.owner();
            owner.try_move(&sent, &seller.shop_id, ShipmentState::Shipped).await??;
            let returned = confirmed(&customer, &book, card, &mut placed).await?;
            give_back(&customer, &seller, &book, &returned).await?;
        }
        let poor = shop.customer(0).await?;
        let refused = poor.place(&book, 1).await?.order_id;
        poor.ended(&refused).await?;
        placed.push(refused);
        withdraw(&shop, &customer, &card).await?;
        placed.push(leave(&shop, &book).await?);
        shop.check(&placed).await?;
        Ok(Self { shop, placed })
    }
}

async fn confirmed(
    customer: &Customer,
    book: &Book,
    card: Option<&str>,
    placed: &mut Vec<String>,
) -> Result<String> {
    let request = match card {
        Some(card) => customer.order_by_card(card, &[(book, 2)]),
        None => customer.order_of(&new_request_id(), &[(book, 2)]),
    };
    let order_id = customer.try_place(request).await??.order_id;
    assert_eq!(customer.ended(&order_id).await?.state(), OrderState::Confirmed);
    placed.push(order_id.clone());
    Ok(order_id)
}

/// One copy of two.
async fn give_back(customer: &Customer, seller: &Seller, book: &Book, order_id: &str) -> Result<()> {
    seller.owner().deliver(order_id, &seller.shop_id).await?;
    let asked = customer.try_return(order_id, book, 1).await??;
    seller.owner().resolve(&asked.return_id, true, true).await?;
    customer.refunded_becomes(order_id, 1_000).await
}

async fn withdraw(shop: &Shop, customer: &Customer, card: &str) -> Result<()> {
    let request = WithdrawRequest {
        request_id: new_request_id(),
        amount: Some(Money { minor_units: 500, currency_code: "EUR".to_owned() }),
        card_id: card.to_owned(),
    };
    shop.clients()?.payment().withdraw(as_user(customer.token(), request)?).await.context("Withdraw")?;
    Ok(())
}

/// Somebody whose order has ended is deleted.
async fn leave(shop: &Shop, book: &Book) -> Result<String> {
    let customer = shop.customer(5_000).await?;
    let order_id = customer.place(book, 1).await?.order_id;
    customer.ended(&order_id).await?;
    customer.cancel(&order_id).await?;
    customer.payment_becomes(&order_id, PaymentState::Refunded).await?;
    let request = DeleteUserRequest { user_id: String::new(), current_password: PASSWORD.to_owned() };
    shop.clients()?
        .identity()
        .delete_user(as_user(customer.token(), request)?)
        .await
        .context("DeleteUser")?;
    Ok(order_id)
}
