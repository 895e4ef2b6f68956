use std::collections::BTreeSet;

use anyhow::{Context, Result};
use proto::inventory::v1::{self as pb, get_book_details_request::Book as BookName};
use tonic::Code;

use crate::harness::{Bookshop, Client, eur, refusal, unique, wrong_fields};

const ISBN: &str = "9780141439587";

async fn details(client: &Client, book: Option<BookName>) -> Result<pb::Book, tonic::Status> {
    let request = pb::GetBookDetailsRequest { book };
    Ok(client.clone().get_book_details(request).await?.into_inner())
}

async fn page(
    client: &Client,
    request: pb::ListBooksRequest,
) -> Result<pb::ListBooksResponse, tonic::Status> {
    Ok(client.clone().list_books(request).await?.into_inner())
}

#[tokio::test]
async fn an_added_book_is_read_by_edition_and_by_isbn_without_signing_in() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let added = owner
        .adds(pb::AddBookRequest {
            isbn: "0-14-143958-0".to_owned(),
            publisher: "Penguin Classics".to_owned(),
            published_year: 2003,
            language_code: "en".to_owned(),
            description: "Handsome, clever, and rich.\n\nAnd meddling.".to_owned(),
            categories: vec!["romance".to_owned(), "classics".to_owned()],
            initial_stock: 7,
            ..owner.emma()
        })
        .await?;
    assert_eq!((added.title.as_str(), added.isbn.as_str(), added.published_year), ("Emma", ISBN, 2003));
    assert_eq!(added.authors, ["Jane Austen"]);
    assert_eq!(added.categories, ["classics", "romance"]);
    assert_eq!(added.offers.len(), 1);
    assert_eq!((added.offers[0].available, added.offers[0].price.clone()), (7, Some(eur(1000))));
    assert_eq!(added.offers[0].shop_name, owner.shop.name);

    let client = bookshop.client()?;
    assert_eq!(details(&client, Some(BookName::EditionId(added.edition_id.clone()))).await?, added);
    assert_eq!(details(&client, Some(BookName::Isbn("978-0-14-143958-7".to_owned()))).await?, added);
    bookshop.assert_the_stock_adds_up().await
}

#[tokio::test]
async fn a_known_isbn_keeps_its_facts_and_only_empty_ones_are_filled() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let (mut first, mut second) = (bookshop.owner().await?, bookshop.owner().await?);
    let sparse = first
        .adds(pb::AddBookRequest { isbn: ISBN.to_owned(), publisher: "Penguin".to_owned(), ..first.emma() })
        .await?;
    let filled = second
        .adds(pb::AddBookRequest {
            isbn: ISBN.to_owned(),
            title: "Emma, abridged".to_owned(),
            publisher: "Somebody".to_owned(),
            published_year: 2003,
            language_code: "en".to_owned(),
            description: "A comedy.".to_owned(),
            categories: vec!["classics".to_owned()],
            price: Some(eur(900)),
            ..second.emma()
        })
        .await?;
    assert_eq!((&filled.edition_id, &filled.work_id), (&sparse.edition_id, &sparse.work_id));
    assert_eq!((filled.title.as_str(), filled.publisher.as_str()), ("Emma", "Penguin"));
    assert_eq!((filled.published_year, filled.language_code.as_str()), (2003, "en"));
    assert_eq!(
        (filled.description.as_str(), filled.categories.as_slice()),
        ("A comedy.", &["classics".to_owned()][..])
    );
    let shops: Vec<_> = filled.offers.iter().map(|offer| offer.shop_id.clone()).collect();
    assert_eq!(shops, [second.shop.shop_id.clone(), first.shop.shop_id.clone()], "the cheapest first");
    Ok(())
}

#[tokio::test]
async fn two_editions_of_the_same_title_by_the_same_authors_are_one_work() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let hardback = owner.adds(owner.emma()).await?;
    let paperback = owner.adds(pb::AddBookRequest { title: "EMMA".to_owned(), ..owner.emma() }).await?;
    assert_eq!(hardback.work_id, paperback.work_id);
    assert_ne!(hardback.edition_id, paperback.edition_id);
    Ok(())
}

#[tokio::test]
async fn the_same_edition_is_offered_once_by_a_shop() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    owner.adds(pb::AddBookRequest { isbn: ISBN.to_owned(), ..owner.emma() }).await?;
    let again =
        pb::AddBookRequest { isbn: ISBN.to_owned(), publisher: "Somebody".to_owned(), ..owner.emma() };
    let answer = owner.adds(again).await;
    assert_eq!(refusal(answer), (Code::AlreadyExists, "OFFER_EXISTS".to_owned()));
    let book = details(&owner.client, Some(BookName::Isbn(ISBN.to_owned()))).await?;
    assert_eq!(book.publisher, "", "a refused request fills nothing");
    Ok(())
}

#[tokio::test]
async fn equal_requests_at_once_make_one_offer_and_another_body_is_refused() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let request = pb::AddBookRequest { initial_stock: 3, ..owner.emma() };
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (mut client, call) = (owner.client.clone(), owner.user.asks(request.clone())?);
        calls.spawn(async move { client.add_book(call).await.map(tonic::Response::into_inner) });
    }
    let mut books = Vec::new();
    while let Some(answer) = calls.join_next().await {
        books.push(answer??);
    }
    assert!(books.iter().all(|book| *book == books[0]));
    assert_eq!(bookshop.number("SELECT count(*) FROM editions").await?, 1, "no edition without an offer");
    assert_eq!(bookshop.number("SELECT count(*) FROM offers").await?, 1);

    let other = pb::AddBookRequest { initial_stock: 4, ..request };
    assert_eq!(refusal(owner.adds(other).await), (Code::AlreadyExists, "REQUEST_ID_REUSED".to_owned()));
    bookshop.assert_the_stock_adds_up().await
}

#[tokio::test]
async fn one_isbn_added_by_many_shops_at_once_is_one_edition_with_an_offer_of_each() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut calls = tokio::task::JoinSet::new();
    for shop in 0..12 {
        let mut owner = bookshop.owner().await?;
        // Different titles, so that not the work but the edition is fought for.
        let title = format!("Emma {}", shop % 3);
        let request = pb::AddBookRequest { isbn: ISBN.to_owned(), title, ..owner.emma() };
        calls.spawn(async move { owner.adds(request).await });
    }
    while let Some(answer) = calls.join_next().await {
        answer??;
    }
    let book = details(&bookshop.client()?, Some(BookName::Isbn(ISBN.to_owned()))).await?;
    assert_eq!(book.offers.len(), 12);
    assert_eq!(bookshop.number("SELECT count(*) FROM works").await?, 1, "no work without an edition");
    Ok(())
}

#[tokio::test]
async fn every_wrong_field_of_a_book_is_named_at_once() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let answer = owner
        .adds(pb::AddBookRequest {
            request_id: String::new(),
            shop_id: "ofr_x".to_owned(),
            title: String::new(),
            authors: vec!["Jane Austen".to_owned(), " ".to_owned()],
            isbn: "9780141439588".to_owned(),
            publisher: "x".repeat(201),
            published_year: 2101,
            language_code: "english language".to_owned(),
            description: "x".repeat(10_001),
            categories: vec!["Fiction".to_owned()],
            price: Some(proto::types::v1::Money { minor_units: 0, currency_code: "EURO".to_owned() }),
            initial_stock: -1,
        })
        .await;
    assert_eq!(
        wrong_fields(answer),
        [
            "request_id",
            "shop_id",
            "title",
            "authors[1]",
            "isbn",
            "publisher",
            "published_year",
            "language_code",
            "description",
            "categories[0]",
            "price.currency_code",
            "price.minor_units",
            "initial_stock"
        ]
    );
    let answer = owner.adds(pb::AddBookRequest { price: None, ..owner.emma() }).await;
    assert_eq!(wrong_fields(answer), ["price"]);
    let anonymous = owner.adds(pb::AddBookRequest { authors: vec![], ..owner.emma() }).await?;
    assert!(anonymous.authors.is_empty(), "nobody knows who wrote it");
    let categories = (0..11).map(|number| format!("category-{number}")).collect();
    let answer =
        owner.adds(pb::AddBookRequest { categories, initial_stock: 1_000_001, ..owner.emma() }).await;
    assert_eq!(wrong_fields(answer), ["categories", "initial_stock"]);
    let many = vec![String::new(); 10_000];
    let many = pb::AddBookRequest { authors: many.clone(), categories: many, ..owner.emma() };
    assert_eq!(
        wrong_fields(owner.adds(many).await),
        ["authors", "categories"],
        "counted before they are read"
    );
    assert_eq!(bookshop.number("SELECT count(*) FROM works").await?, 1, "that of nobody");
    Ok(())
}

#[tokio::test]
async fn books_are_added_only_to_ones_own_shop() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let (mut owner, stranger) = (bookshop.owner().await?, bookshop.owner().await?);
    let answer = owner.adds(stranger.emma()).await;
    assert_eq!(refusal(answer), (Code::PermissionDenied, "NOT_THE_OWNER".to_owned()));
    let nowhere = pb::AddBookRequest { shop_id: values::ShopId::new().to_string(), ..owner.emma() };
    assert_eq!(refusal(owner.adds(nowhere).await), (Code::NotFound, "SHOP_NOT_FOUND".to_owned()));
    let anonymous = owner.client.add_book(owner.emma()).await;
    assert_eq!(refusal(anonymous), (Code::Unauthenticated, "SIGN_IN_REQUIRED".to_owned()));
    Ok(())
}

#[tokio::test]
async fn an_unknown_or_unnamed_book_is_refused() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let client = bookshop.client()?;
    let unknown = details(&client, Some(BookName::Isbn(ISBN.to_owned()))).await;
    assert_eq!(refusal(unknown), (Code::NotFound, "BOOK_NOT_FOUND".to_owned()));
    let edition = values::EditionId::new().to_string();
    let unknown = details(&client, Some(BookName::EditionId(edition))).await;
    assert_eq!(refusal(unknown), (Code::NotFound, "BOOK_NOT_FOUND".to_owned()));
    assert_eq!(wrong_fields(details(&client, None).await), ["book"]);
    assert_eq!(wrong_fields(details(&client, Some(BookName::Isbn("12".to_owned()))).await), ["isbn"]);
    Ok(())
}

#[tokio::test]
async fn paging_shows_every_book_once_by_title_whatever_the_page_size() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let titles = ["emma", "Emma", "Persuasion", "Mansfield Park", "Ännchen", "Zadig", "emma"];
    for (number, title) in titles.iter().enumerate() {
        let category = if number % 2 == 0 { "poetry" } else { "classics" };
        let title = (*title).to_owned();
        // Editions of one work share its categories, those of the first.
        owner
            .adds(pb::AddBookRequest { title, categories: vec![category.to_owned()], ..owner.emma() })
            .await?;
    }
    for category in ["", "poetry", "classics", "no-such"] {
        let ask = |page_size, page_token| pb::ListBooksRequest {
            page_size,
            page_token,
            category: category.to_owned(),
            ..Default::default()
        };
        let all = page(&owner.client, ask(0, String::new())).await?;
        assert_eq!(all.next_page_token, "");
        for page_size in 1..=5 {
            let mut seen = Vec::new();
            let mut token = String::new();
            loop {
                let mut listed = page(&owner.client, ask(page_size, token)).await?;
                assert!(listed.books.len() <= usize::try_from(page_size)?);
                seen.append(&mut listed.books);
                token = listed.next_page_token;
                if token.is_empty() {
                    break;
                }
            }
            assert_eq!(seen, all.books, "{page_size} a page in {category:?}");
        }
        let unique: BTreeSet<_> = all.books.iter().map(|book| &book.edition_id).collect();
        assert_eq!(unique.len(), all.books.len());
        if category.is_empty() {
            let listed: Vec<_> = all.books.iter().map(|book| book.title.to_lowercase()).collect();
            assert_eq!(listed.len(), titles.len());
            assert_eq!(listed[..4], ["emma", "emma", "emma", "mansfield park"]);
        } else {
            assert!(all.books.iter().all(|book| book.categories == [category]));
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_list_shows_the_three_cheapest_offers_of_a_book() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    for price in [400, 100, 300, 200] {
        let mut owner = bookshop.owner().await?;
        owner
            .adds(pb::AddBookRequest { isbn: ISBN.to_owned(), price: Some(eur(price)), ..owner.emma() })
            .await?;
    }
    let listed = page(&bookshop.client()?, pb::ListBooksRequest::default()).await?;
    let book = listed.books.into_iter().next().context("a book")?;
    let prices: Vec<_> =
        book.offers.into_iter().filter_map(|offer| offer.price).map(|price| price.minor_units).collect();
    assert_eq!(prices, [100, 200, 300]);
    Ok(())
}

#[tokio::test]
async fn the_token_of_another_list_is_refused() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    for _ in 0..2 {
        owner.adds(pb::AddBookRequest { categories: vec!["poetry".to_owned()], ..owner.emma() }).await?;
    }
    let ask = |page_size, page_token: &str, category: &str| pb::ListBooksRequest {
        page_size,
        page_token: page_token.to_owned(),
        category: category.to_owned(),
        ..Default::default()
    };
    let first = page(&owner.client, ask(1, "", "poetry")).await?;
    let token = first.next_page_token.as_str();
    assert_eq!(page(&owner.client, ask(1, token, "poetry")).await?.books.len(), 1);
    assert_eq!(wrong_fields(page(&owner.client, ask(1, token, "")).await), ["page_token"]);
    assert_eq!(
        wrong_fields(page(&owner.client, ask(-1, "garbage", "Poetry!")).await),
        ["page_size", "category", "page_token"]
    );
    Ok(())
}

#[tokio::test]
async fn availability_tells_each_line_and_all_together() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let (plenty, few) = (owner.sells(9).await?, owner.sells(1).await?);
    let dollars = proto::types::v1::Money { minor_units: 500, currency_code: "USD".to_owned() };
    let abroad = owner.sells_for(9, dollars.clone()).await?;
    let unknown = values::OfferId::new().to_string();
    let mut client = bookshop.client()?;
    let mut ask = async |lines: &[(&str, i32)]| {
        let lines = lines
            .iter()
            .map(|&(offer, quantity)| pb::Line { offer_id: offer.to_owned(), quantity })
            .collect();
        client
            .check_availability(pb::CheckAvailabilityRequest { lines })
            .await
            .map(tonic::Response::into_inner)
    };

    let answer = ask(&[(&plenty.offer_id, 9), (&few.offer_id, 2), (&unknown, 1)]).await?;
    let told: Vec<_> = answer.lines.iter().map(|line| (line.available_quantity, line.available)).collect();
    assert_eq!((told, answer.available), (vec![(9, true), (1, false), (0, false)], false));
    assert_eq!(
        (answer.lines[0].unit_price.clone(), answer.lines[2].unit_price.clone()),
        (Some(eur(1000)), None)
    );

    assert!(ask(&[(&plenty.offer_id, 9), (&few.offer_id, 1)]).await?.available);
    let mixed = ask(&[(&plenty.offer_id, 1), (&abroad.offer_id, 1)]).await?;
    assert!(!mixed.available && mixed.lines.iter().all(|line| line.available), "one order has one currency");

    let repeated = ask(&[(&plenty.offer_id, 0), (&plenty.offer_id, 1), ("x", 1001)]).await;
    assert_eq!(
        wrong_fields(repeated),
        ["lines[0].quantity", "lines[1].offer_id", "lines[2].offer_id", "lines[2].quantity"]
    );
    assert_eq!(wrong_fields(ask(&[]).await), ["lines"]);
    let many: Vec<_> = (0..101).map(|_| (unique("x"), 1)).collect();
    let many: Vec<_> = many.iter().map(|(offer, quantity)| (offer.as_str(), *quantity)).collect();
    assert_eq!(wrong_fields(ask(&many).await), ["lines"]);
    Ok(())
}
