//! Feeds of books, as a shop's other system sends them.

mod at_once;

use anyhow::Result;
use proto::inventory::v1::{
    self as pb, MovementKind, adjust_stock_request::Change, import_catalogue_request::Piece,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use crate::harness::{Bookshop, Owner, commit, refusal, reserve, unique, wrong_fields};

fn target(owner: &Owner) -> pb::ImportTarget {
    pb::ImportTarget { shop_id: owner.shop.shop_id.clone(), ..Default::default() }
}

/// A row like any other, with a key.
fn row(number: i64) -> pb::CatalogueRow {
    pb::CatalogueRow {
        number,
        key: format!("key-{number}"),
        title: format!("Volume {number}"),
        authors: vec!["Jane Austen".to_owned()],
        price: "12.90".to_owned(),
        currency_code: "EUR".to_owned(),
        stock: "3".to_owned(),
        ..Default::default()
    }
}

fn piece(piece: Piece) -> pb::ImportCatalogueRequest {
    pb::ImportCatalogueRequest { piece: Some(piece) }
}

fn pieces(target: pb::ImportTarget, rows: &[pb::CatalogueRow]) -> Vec<pb::ImportCatalogueRequest> {
    let rows = rows.chunks(400).map(|rows| piece(Piece::Rows(pb::CatalogueRows { rows: rows.to_vec() })));
    std::iter::once(piece(Piece::Target(target))).chain(rows).collect()
}

async fn send(
    owner: &Owner,
    pieces: Vec<pb::ImportCatalogueRequest>,
) -> Result<pb::ImportCatalogueResponse, Status> {
    let request =
        owner.user.asks(tokio_stream::iter(pieces)).map_err(|error| Status::internal(error.to_string()))?;
    Ok(owner.client.clone().import_catalogue(request).await?.into_inner())
}

async fn imports(owner: &Owner, rows: &[pb::CatalogueRow]) -> Result<pb::ImportCatalogueResponse, Status> {
    send(owner, pieces(target(owner), rows)).await
}

/// Created, updated, unchanged, rejected.
const fn counts(answer: &pb::ImportCatalogueResponse) -> (i64, i64, i64, i64) {
    (answer.created, answer.updated, answer.unchanged, answer.rejected)
}

/// Number and field of each report.
fn told(reports: &[pb::RowReport]) -> Vec<(i64, &str)> {
    assert!(reports.iter().all(|report| !report.reason.is_empty()));
    reports.iter().map(|report| (report.number, report.field.as_str())).collect()
}

/// Every book that is on offer, by title.
async fn books(owner: &Owner) -> Result<Vec<pb::Book>> {
    let mut books = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = pb::ListBooksRequest { page_size: 200, page_token, ..Default::default() };
        let page = owner.client.clone().list_books(request).await?.into_inner();
        books.extend(page.books);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(books);
        }
    }
}

async fn only_offer(owner: &Owner) -> Result<pb::Offer> {
    let books = books(owner).await?;
    anyhow::ensure!(books.len() == 1 && books[0].offers.len() == 1, "{books:?}");
    Ok(books[0].offers[0].clone())
}

/// All that a feed may change, in one text; sums that differ tell that something was written.
const FINGERPRINT: &str = "
    SELECT ('x' || substr(md5(string_agg(rows.text, '|' ORDER BY rows.text)), 1, 15))::bit(60)::bigint
    FROM (SELECT works.xmin || works::text AS text FROM works
          UNION ALL SELECT editions.xmin || editions::text FROM editions
          UNION ALL SELECT work_categories.xmin || work_categories::text FROM work_categories
          UNION ALL SELECT offers.xmin || offers::text FROM offers
          UNION ALL SELECT stock.xmin || stock::text FROM stock
          UNION ALL SELECT stock_movements.xmin || stock_movements::text FROM stock_movements) AS rows";

#[tokio::test]
async fn the_same_feed_again_changes_nothing() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let owner = bookshop.owner().await?;
    let mut rows: Vec<_> = (1..=1200).map(row).collect();
    for (row, isbn) in rows.iter_mut().zip(["439023483", "0-306-40615-2", "9.78043902348e+12"]) {
        isbn.clone_into(&mut row.isbn);
        row.categories = vec!["Science Fiction".to_owned()];
    }
    rows[1].key.clear();
    rows[1100].price = "free".to_owned();

    let first = imports(&owner, &rows).await?;
    assert_eq!(counts(&first), (1199, 0, 0, 1));
    assert_eq!(told(&first.rejects), [(1101, "price")]);
    assert_eq!(told(&first.notices), [(3, "isbn")]);
    let listed = books(&owner).await?;
    assert_eq!(listed.len(), 1199);
    let with_isbn: Vec<_> = listed.iter().map(|book| &book.isbn).filter(|isbn| !isbn.is_empty()).collect();
    assert_eq!(with_isbn, ["9780439023481", "9780306406157"]);

    let before = bookshop.number(FINGERPRINT).await?;
    let again = imports(&owner, &rows).await?;
    assert_eq!(counts(&again), (0, 0, 1199, 1));
    assert_eq!((again.rejects, again.notices), (first.rejects, first.notices));
    assert_eq!(bookshop.number(FINGERPRINT).await?, before);
    bookshop.assert_the_stock_adds_up().await
}

#[tokio::test]
async fn price_and_stock_follow_the_feed_and_sales_are_none_of_its() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let with = |price: &str, stock: &str| {
        [pb::CatalogueRow { price: price.to_owned(), stock: stock.to_owned(), ..row(1) }]
    };
    imports(&owner, &with("12.90", "10")).await?;
    let offer = only_offer(&owner).await?;
    let sold = reserve(&owner.client, "sold", &[(&offer, 4)]).await?;
    commit(&owner.client, &sold).await?;

    assert_eq!(counts(&imports(&owner, &with("12.90", "10")).await?), (0, 0, 1, 0));
    assert_eq!(owner.counts(&offer).await?, (6, 0));
    assert_eq!(counts(&imports(&owner, &with("12,95", "12")).await?), (0, 1, 0, 0));
    assert_eq!(owner.counts(&offer).await?, (8, 0));
    assert_eq!(only_offer(&owner).await?.price.map(|price| price.minor_units), Some(1295));
    assert_eq!(counts(&imports(&owner, &with("12.95", "")).await?), (0, 0, 1, 0));
    assert_eq!(owner.counts(&offer).await?, (8, 0));

    // Eight are here, five of them reserved: a feed that lost seven of its twelve leaves too few.
    reserve(&owner.client, "held", &[(&offer, 5)]).await?;
    let refused = imports(&owner, &with("1.00", "5")).await?;
    assert_eq!((counts(&refused), told(&refused.rejects)), ((0, 0, 0, 1), vec![(1, "stock")]));
    assert_eq!(only_offer(&owner).await?.price.map(|price| price.minor_units), Some(1295));
    assert_eq!(counts(&imports(&owner, &with("12.95", "9")).await?), (0, 1, 0, 0));
    assert_eq!(owner.counts(&offer).await?, (5, 5));

    let request = pb::ListStockMovementsRequest { offer_id: offer.offer_id, ..Default::default() };
    let moved = owner.client.list_stock_movements(owner.user.asks(request)?).await?.into_inner().movements;
    let moved: Vec<_> = moved.iter().map(|moved| (moved.kind(), moved.change)).collect();
    let imported = |change| (MovementKind::Imported, change);
    assert_eq!(moved, [imported(-3), imported(2), (MovementKind::Sold, -4), imported(10)]);
    bookshop.assert_the_stock_adds_up().await
}

#[tokio::test]
async fn a_book_that_the_shop_added_itself_is_counted_by_its_first_feed() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let added = owner
        .adds(pb::AddBookRequest { isbn: "9780439023481".to_owned(), initial_stock: 5, ..owner.emma() })
        .await?;
    let feed = [pb::CatalogueRow {
        isbn: "439023483".to_owned(),
        publisher: "Scholastic".to_owned(),
        categories: vec!["Young Adult".to_owned()],
        stock: "9".to_owned(),
        ..row(1)
    }];
    assert_eq!(counts(&imports(&owner, &feed).await?), (0, 1, 0, 0));
    assert_eq!(counts(&imports(&owner, &feed).await?), (0, 0, 1, 0));
    let [book] = books(&owner).await?.try_into().map_err(|books| anyhow::anyhow!("{books:?}"))?;
    assert_eq!((&book.edition_id, &book.title), (&added.edition_id, &added.title), "its facts stay");
    assert_eq!(
        (book.publisher.as_str(), book.categories.as_slice()),
        ("Scholastic", ["young-adult".to_owned()].as_slice())
    );
    assert_eq!(book.offers[0].price.as_ref().map(|price| price.minor_units), Some(1290));
    assert_eq!(owner.counts(&book.offers[0]).await?, (9, 0));
    bookshop.assert_the_stock_adds_up().await
}

#[tokio::test]
async fn each_shop_has_its_own_offer_of_a_book_and_its_own_keys() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let (one, other) = (bookshop.owner().await?, bookshop.owner().await?);
    let mut rows: Vec<_> = (1..=900).map(row).collect();
    // Every tenth has an ISBN, which both shops' feeds tell.
    for row in rows.iter_mut().step_by(10) {
        row.isbn = isbn(row.number);
    }
    let backwards: Vec<_> = rows.iter().rev().cloned().collect();
    let (first, second) = tokio::join!(imports(&one, &rows), imports(&other, &backwards));
    assert_eq!((counts(&first?), counts(&second?)), ((900, 0, 0, 0), (900, 0, 0, 0)));
    assert_eq!(bookshop.number("SELECT count(*) FROM works").await?, 900);
    assert_eq!(bookshop.number("SELECT count(*) FROM editions").await?, 90 + 2 * 810);
    assert_eq!(bookshop.number("SELECT count(*) FROM offers").await?, 1800);
    bookshop.assert_the_stock_adds_up().await
}

/// An ISBN-13 of a number.
fn isbn(number: i64) -> String {
    let body = format!("978{number:09}");
    let sum: u32 = (body.chars().zip([1, 3].into_iter().cycle()))
        .map(|(digit, weight)| digit.to_digit(10).unwrap_or_default() * weight)
        .sum();
    format!("{body}{}", (10 - sum % 10) % 10)
}

#[tokio::test]
async fn a_book_has_one_row_of_a_feed_even_across_calls() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let owner = bookshop.owner().await?;
    let feed = pb::ImportTarget { import_id: "monday".to_owned(), ..target(&owner) };
    let double = |number| pb::CatalogueRow { price: "1.00".to_owned(), number, ..row(1) };
    let answer = send(&owner, pieces(feed.clone(), &[row(1), row(2), double(3)])).await?;
    assert_eq!((counts(&answer), told(&answer.rejects)), ((2, 0, 0, 1), vec![(3, "key")]));
    let answer = send(&owner, pieces(feed.clone(), &[double(4)])).await?;
    assert_eq!((counts(&answer), told(&answer.rejects)), ((0, 0, 0, 1), vec![(4, "key")]));
    // What was sent before is no double of itself, and another feed is another.
    assert_eq!(counts(&send(&owner, pieces(feed, &[row(1), row(2)])).await?), (0, 0, 2, 0));
    assert_eq!(counts(&imports(&owner, &[double(4)]).await?), (0, 1, 0, 0));
    Ok(())
}

#[tokio::test]
async fn keys_of_a_feed_may_move_on_from_book_to_book() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let owner = bookshop.owner().await?;
    let books = |keys: [&str; 3]| -> Vec<pb::CatalogueRow> {
        let row = |(number, key): (i64, &str)| pb::CatalogueRow {
            key: key.to_owned(),
            isbn: isbn(number),
            ..row(number)
        };
        (1..).zip(keys).map(row).collect()
    };
    imports(&owner, &books(["a", "b", "c"])).await?;
    let moved = books(["d", "a", "b"]);
    assert_eq!(counts(&imports(&owner, &moved).await?), (0, 3, 0, 0));
    assert_eq!(counts(&imports(&owner, &moved).await?), (0, 0, 3, 0));
    let swapped = imports(&owner, &books(["a", "d", "b"])).await?;
    assert_eq!((counts(&swapped), told(&swapped.rejects)), ((0, 0, 1, 2), vec![(1, "key"), (2, "key")]));
    Ok(())
}

#[tokio::test]
async fn a_feed_that_breaks_off_keeps_what_had_arrived_and_the_next_one_finishes_it() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let owner = bookshop.owner().await?;
    let rows: Vec<_> = (1..=800).map(row).collect();
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let request = owner.user.asks(ReceiverStream::new(receiver))?;
    let mut client = owner.client.clone();
    let call = tokio::spawn(async move { client.import_catalogue(request).await.map(drop) });
    for piece in pieces(target(&owner), &rows[..400]) {
        sender.send(piece).await?;
    }
    testkit::eventually("the first rows", crate::harness::SOON, async || {
        (bookshop.number("SELECT count(*) FROM offers").await.ok()? == 400).then_some(())
    })
    .await?;
    call.abort();
    assert!(call.await.is_err());

    assert_eq!(counts(&imports(&owner, &rows).await?), (400, 0, 400, 0));
    bookshop.assert_the_stock_adds_up().await
}

#[tokio::test]
async fn withdrawn_books_stay_withdrawn() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    imports(&owner, &[row(1)]).await?;
    let offer = only_offer(&owner).await?;
    let request = pb::DeleteBookRequest { offer_id: offer.offer_id };
    owner.client.delete_book(owner.user.asks(request)?).await?;
    let answer = imports(&owner, &[row(1)]).await?;
    assert_eq!((counts(&answer), told(&answer.rejects)), ((0, 0, 0, 1), vec![(1, "key")]));
    assert!(books(&owner).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_feed_goes_into_the_room_that_it_names() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let request = pb::CreateLocationRequest {
        request_id: unique("room"),
        shop_id: owner.shop.shop_id.clone(),
        name: "Cellar".to_owned(),
    };
    let cellar = owner.client.create_location(owner.user.asks(request)?).await?.into_inner();
    imports(&owner, &[row(1)]).await?;
    let elsewhere = pb::ImportTarget { location_id: cellar.location_id.clone(), ..target(&owner) };
    let answer = send(&owner, pieces(elsewhere.clone(), &[row(1)])).await?;
    assert_eq!(counts(&answer), (0, 1, 0, 0));
    assert_eq!(counts(&send(&owner, pieces(elsewhere, &[row(1)])).await?), (0, 0, 1, 0));
    let offer = only_offer(&owner).await?;
    assert_eq!(owner.counts(&offer).await?, (6, 0));
    owner.adjusts(&offer, Change::Delta(1)).await?;
    bookshop.assert_the_stock_adds_up().await
}

#[tokio::test]
async fn a_feed_says_first_where_it_goes() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let owner = bookshop.owner().await?;
    let rows = || piece(Piece::Rows(pb::CatalogueRows { rows: vec![row(1)] }));
    assert_eq!(wrong_fields(send(&owner, vec![]).await), ["target"]);
    assert_eq!(wrong_fields(send(&owner, vec![rows()]).await), ["target"]);
    let twice = vec![piece(Piece::Target(target(&owner))), piece(Piece::Target(target(&owner)))];
    assert_eq!(wrong_fields(send(&owner, twice).await), ["target"]);
    let nothing = vec![piece(Piece::Target(target(&owner))), pb::ImportCatalogueRequest { piece: None }];
    assert_eq!(wrong_fields(send(&owner, nothing).await), ["piece"]);
    let many = pb::CatalogueRows { rows: (0..1001).map(row).collect() };
    let many = vec![piece(Piece::Target(target(&owner))), piece(Piece::Rows(many))];
    assert_eq!(wrong_fields(send(&owner, many).await), ["rows.rows"]);
    let wrong =
        pb::ImportTarget { shop_id: String::new(), location_id: "x".to_owned(), import_id: "a b".to_owned() };
    let wrong = send(&owner, vec![piece(Piece::Target(wrong))]).await;
    assert_eq!(wrong_fields(wrong), ["target.shop_id", "target.location_id", "target.import_id"]);
    assert_eq!(bookshop.number("SELECT count(*) FROM offers").await?, 0);
    Ok(())
}

#[tokio::test]
async fn only_those_who_work_in_a_shop_import_into_it() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let (owner, stranger) = (bookshop.owner().await?, bookshop.owner().await?);
    let theirs = send(&stranger, pieces(target(&owner), &[row(1)])).await;
    assert_eq!(refusal(theirs), (Code::PermissionDenied, "NOT_THE_OWNER".to_owned()));
    let nowhere = pb::ImportTarget { shop_id: values::ShopId::new().to_string(), ..Default::default() };
    let answer = send(&owner, pieces(nowhere, &[row(1)])).await;
    assert_eq!(refusal(answer), (Code::NotFound, "SHOP_NOT_FOUND".to_owned()));
    let elsewhere =
        pb::ImportTarget { location_id: stranger.shop.locations[0].location_id.clone(), ..target(&owner) };
    let answer = send(&owner, pieces(elsewhere, &[row(1)])).await;
    assert_eq!(refusal(answer), (Code::NotFound, "LOCATION_NOT_FOUND".to_owned()));
    Ok(())
}

#[tokio::test]
async fn who_leaves_the_shop_while_the_feed_comes_in_brings_no_more() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let (owner, staff) = (bookshop.owner().await?, bookshop.shop_owner()?);
    let member = pb::AddShopMemberRequest {
        shop_id: owner.shop.shop_id.clone(),
        user_id: staff.id.to_string(),
        role: pb::ShopRole::Staff.into(),
    };
    owner.client.clone().add_shop_member(owner.user.asks(member)?).await?;
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let (request, mut client) = (staff.asks(ReceiverStream::new(receiver))?, owner.client.clone());
    let call = tokio::spawn(async move { client.import_catalogue(request).await.map(drop) });
    for piece in pieces(target(&owner), &[row(1)]) {
        sender.send(piece).await?;
    }
    testkit::eventually("the first row", crate::harness::SOON, async || {
        (bookshop.number("SELECT count(*) FROM offers").await.ok()? == 1).then_some(())
    })
    .await?;
    let leaves =
        pb::RemoveShopMemberRequest { shop_id: owner.shop.shop_id.clone(), user_id: staff.id.to_string() };
    owner.client.clone().remove_shop_member(owner.user.asks(leaves)?).await?;
    sender.send(piece(Piece::Rows(pb::CatalogueRows { rows: vec![row(2)] }))).await?;
    drop(sender);
    assert_eq!(refusal(call.await?), (Code::PermissionDenied, "NOT_THE_OWNER".to_owned()));
    assert_eq!(bookshop.number("SELECT count(*) FROM offers").await?, 1);
    Ok(())
}
