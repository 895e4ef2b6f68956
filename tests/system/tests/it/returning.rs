use anyhow::Result;
use proto::{
    order::v1::{OrderState, PaymentState, ReturnState},
    payment::v1::PaymentState as Paid,
};
use system_tests::{Book, Customer, Seller, Shop};
use tonic::Code;

/// An order of copies that cost 1,000 each, which have arrived.
async fn arrived(
    customer: &Customer,
    seller: &Seller,
    book: &Book,
    copies: i32,
    card: Option<&str>,
) -> Result<String> {
    let order_id = match card {
        Some(card) => customer.try_place(customer.order_by_card(card, &[(book, copies)])).await??.order_id,
        None => customer.place(book, copies).await?.order_id,
    };
    assert_eq!(customer.ended(&order_id).await?.state(), OrderState::Confirmed);
    seller.owner().deliver(&order_id, &seller.shop_id).await?;
    Ok(order_id)
}

#[tokio::test]
async fn what_is_returned_in_parts_is_refunded_and_stands_on_the_shelf_where_told_so() -> Result<()> {
    let shop = Shop::shared().await?;
    let seller = shop.seller().await?;
    let book = seller.add_book(1_000, 10).await?;
    let customer = shop.customer(3_000).await?;
    let order_id = arrived(&customer, &seller, &book, 3, None).await?;
    assert_eq!(seller.stock(&book).await?, (7, 0));

    let asked = customer.try_return(&order_id, &book, 2).await??;
    assert_eq!(asked.amount.as_ref().map(|money| money.minor_units), Some(2_000));
    assert_eq!(customer.order(&order_id).await?.state(), OrderState::ReturnRequested);
    let refusal = customer.try_return(&order_id, &book, 2).await?.expect_err("one is left");
    assert_eq!(refusal.code(), Code::FailedPrecondition);
    let accepted = seller.owner().resolve(&asked.return_id, true, true).await?;
    assert_eq!((accepted.state(), accepted.restocked), (ReturnState::Accepted, true));

    seller.stock_becomes(&book, 9, 0).await?;
    customer.balance_becomes(2_000).await?;
    customer.refunded_becomes(&order_id, 2_000).await?;
    let order = customer.order(&order_id).await?;
    assert_eq!((order.state(), order.payment_state()), (OrderState::Delivered, PaymentState::Captured));

    let last = customer.try_return(&order_id, &book, 1).await??;
    seller.owner().resolve(&last.return_id, true, false).await?;
    customer.balance_becomes(3_000).await?;
    customer.payment_becomes(&order_id, Paid::Refunded).await?;
    assert_eq!(customer.order(&order_id).await?.state(), OrderState::Returned);
    assert_eq!(seller.stock(&book).await?, (9, 0), "the last copy is not to be sold again");
    shop.check_orders(&[order_id]).await
}

#[tokio::test]
async fn a_rejected_return_gives_nothing_back() -> Result<()> {
    let shop = Shop::shared().await?;
    let seller = shop.seller().await?;
    let book = seller.add_book(1_000, 10).await?;
    let customer = shop.customer(2_000).await?;
    let order_id = arrived(&customer, &seller, &book, 2, None).await?;

    let asked = customer.try_return(&order_id, &book, 2).await??;
    seller.owner().resolve(&asked.return_id, false, false).await?;

    assert_eq!(customer.order(&order_id).await?.state(), OrderState::Delivered);
    shop.check_orders(std::slice::from_ref(&order_id)).await?;
    assert_eq!(customer.balance().await?, 0);
    assert_eq!(seller.stock(&book).await?, (8, 0));
    let again = customer.try_return(&order_id, &book, 2).await??;
    assert_eq!(again.state(), ReturnState::Requested, "the shop may be asked again");
    Ok(())
}

#[tokio::test]
async fn a_return_of_what_a_card_paid_for_goes_back_to_the_card() -> Result<()> {
    let shop = Shop::shared().await?;
    let seller = shop.seller().await?;
    let book = seller.add_book(1_000, 10).await?;
    let customer = shop.customer(0).await?;
    let card = customer.add_card("tok_timeout_then_success").await?.card_id;
    let order_id = arrived(&customer, &seller, &book, 2, Some(&card)).await?;

    let asked = customer.try_return(&order_id, &book, 1).await??;
    seller.owner().resolve(&asked.return_id, true, true).await?;

    customer.refunded_becomes(&order_id, 1_000).await?;
    seller.stock_becomes(&book, 9, 0).await?;
    assert_eq!(customer.balance().await?, 0);
    shop.check_orders(&[order_id]).await
}
