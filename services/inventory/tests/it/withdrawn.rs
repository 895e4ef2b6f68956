//! Offers that a shop withdraws, and brings back.

use anyhow::{Context, Result};
use proto::inventory::v1::{self as pb, ReservationState, get_book_details_request::Book as BookName};
use tonic::{Code, Status};

use crate::harness::{Bookshop, Owner, commit, eur, refusal, release, reserve, unique, wrong_fields};

const ISBN: &str = "9780141439587";

impl Owner {
    async fn withdraws(&self, offer: &pb::Offer) -> Result<(), Status> {
        let request = pb::DeleteBookRequest { offer_id: offer.offer_id.clone() };
        let request = self.user.asks(request).map_err(|error| Status::internal(error.to_string()))?;
        self.client.clone().delete_book(request).await.map(drop)
    }

    /// A book that is known by its ISBN.
    fn penguin(&self, request_id: &str, copies: i32, cents: i64) -> pb::AddBookRequest {
        pb::AddBookRequest {
            request_id: request_id.to_owned(),
            isbn: ISBN.to_owned(),
            initial_stock: copies,
            price: Some(eur(cents)),
            ..self.emma()
        }
    }
}

fn no_such_offer() -> (Code, String) {
    (Code::NotFound, "OFFER_NOT_FOUND".to_owned())
}

#[tokio::test]
async fn nobody_finds_or_orders_what_is_withdrawn() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let (mut owner, mut other) = (bookshop.owner().await?, bookshop.owner().await?);
    let book = owner.adds(owner.penguin("a", 5, 1000)).await?;
    let offer = &book.offers[0];
    let client = owner.client.clone();
    for _ in 0..2 {
        owner.withdraws(offer).await?;
    }

    assert_eq!(refusal(reserve(&client, "k", &[(offer, 1)]).await), no_such_offer());
    let line = pb::Line { offer_id: offer.offer_id.clone(), quantity: 1 };
    let ask = pb::CheckAvailabilityRequest { lines: vec![line] };
    let answer = client.clone().check_availability(ask).await?.into_inner();
    assert_eq!((answer.available, answer.lines[0].available_quantity), (false, 0));
    assert_eq!(answer.lines[0].unit_price, None);
    let listed = client.clone().list_books(pb::ListBooksRequest::default()).await?.into_inner();
    assert_eq!(listed.books, []);
    let name = Some(BookName::EditionId(book.edition_id.clone()));
    let ask = pb::GetBookDetailsRequest { book: name };
    assert_eq!(client.clone().get_book_details(ask.clone()).await?.into_inner().offers, []);

    other.adds(other.penguin("b", 1, 900)).await?;
    let offers = client.clone().get_book_details(ask).await?.into_inner().offers;
    assert_eq!(offers.len(), 1);
    assert_eq!(offers[0].shop_id, other.shop.shop_id);
    bookshop.assert_the_stock_adds_up().await
}

#[tokio::test]
async fn what_was_reserved_before_is_still_sold_and_the_stock_stays_the_shops() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let offer = owner.sells(5).await?;
    let client = owner.client.clone();
    let (sold, freed) =
        (reserve(&client, "a", &[(&offer, 2)]).await?, reserve(&client, "b", &[(&offer, 1)]).await?);
    owner.withdraws(&offer).await?;

    assert_eq!(reserve(&client, "a", &[(&offer, 2)]).await?, sold, "the answer of before");
    assert_eq!(commit(&client, &sold).await?, ReservationState::Committed);
    assert_eq!(release(&client, &freed).await?, ReservationState::Released);
    assert_eq!(owner.counts(&offer).await?, (3, 0));
    bookshop.assert_the_stock_adds_up().await
}

#[tokio::test]
async fn adding_the_edition_again_brings_the_offer_back_at_the_new_price_once() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let first = owner.adds(owner.penguin("first", 5, 1000)).await?;
    let answer = owner.adds(owner.penguin("early", 1, 1000)).await;
    assert_eq!(refusal(answer), (Code::AlreadyExists, "OFFER_EXISTS".to_owned()));
    owner.withdraws(&first.offers[0]).await?;

    // What made the offer does not bring it back, however late it arrives again.
    assert_eq!(owner.adds(owner.penguin("first", 5, 1000)).await?.offers, []);
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let request = owner.user.asks(owner.penguin("again", 3, 700))?;
        let mut client = owner.client.clone();
        calls.spawn(async move { client.add_book(request).await.map(tonic::Response::into_inner) });
    }
    for answer in calls.join_all().await {
        let offer = answer?.offers.into_iter().next().context("no offer")?;
        assert_eq!(offer.offer_id, first.offers[0].offer_id);
        assert_eq!((offer.price, offer.available), (Some(eur(700)), 8));
    }
    let other_body = owner.adds(owner.penguin("again", 4, 700)).await;
    assert_eq!(refusal(other_body), (Code::AlreadyExists, "REQUEST_ID_REUSED".to_owned()));

    owner.withdraws(&first.offers[0]).await?;
    assert_eq!(owner.adds(owner.penguin("again", 3, 700)).await?.offers, []);
    assert_eq!(owner.adds(owner.penguin(&unique("third"), 0, 800)).await?.offers[0].available, 8);
    bookshop.assert_the_stock_adds_up().await
}

#[tokio::test]
async fn only_those_who_work_in_the_shop_withdraw() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let (mut owner, stranger) = (bookshop.owner().await?, bookshop.owner().await?);
    let offer = owner.sells(1).await?;

    let denied = (Code::PermissionDenied, "NOT_THE_OWNER".to_owned());
    assert_eq!(refusal(stranger.withdraws(&offer).await), denied);
    let unknown = pb::Offer { offer_id: values::OfferId::new().to_string(), ..offer.clone() };
    assert_eq!(refusal(owner.withdraws(&unknown).await), no_such_offer());
    let malformed = pb::Offer { offer_id: "ofr_".to_owned(), ..offer };
    assert_eq!(wrong_fields(owner.withdraws(&malformed).await), ["offer_id"]);
    Ok(())
}

#[tokio::test]
async fn many_books_are_read_at_once_in_the_order_asked_for_all_or_none() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let mut books = Vec::new();
    for _ in 0..3 {
        books.push(owner.adds(owner.emma()).await?);
    }
    let asked = [&books[2], &books[0], &books[2], &books[1]];
    let ask = |ids: &[&str]| pb::BatchGetBooksRequest {
        edition_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
    };
    let mut anyone = bookshop.gateway()?;

    let ids: Vec<_> = asked.iter().map(|book| book.edition_id.as_str()).collect();
    let answer = anyone.batch_get_books(ask(&ids)).await?.into_inner();
    assert_eq!(answer.books.iter().collect::<Vec<_>>(), asked);

    let unknown = values::EditionId::new().to_string();
    let answer = anyone.batch_get_books(ask(&[ids[0], &unknown])).await;
    let resource =
        tonic_types::StatusExt::get_details_resource_info(answer.as_ref().expect_err("one is unknown"));
    assert_eq!(resource.context("no ResourceInfo")?.resource_name, unknown);
    assert_eq!(refusal(answer), (Code::NotFound, "BOOK_NOT_FOUND".to_owned()));

    assert_eq!(wrong_fields(anyone.batch_get_books(ask(&[])).await), ["edition_ids"]);
    assert_eq!(wrong_fields(anyone.batch_get_books(ask(&[ids[0]; 101])).await), ["edition_ids"]);
    assert_eq!(wrong_fields(anyone.batch_get_books(ask(&[ids[0], "x"])).await), ["edition_ids[1]"]);
    Ok(())
}
