//! What a shop may say of the books that it sells.

use anyhow::{Context, Result};
use auth::Permission;
use proto::inventory::v1 as pb;
use tonic::{Code, Status};

use crate::harness::{Bookshop, Owner, User, eur, failed_preconditions, refusal, wrong_fields};

const ISBN: &str = "9780141439587";
const OTHER_ISBN: &str = "9780140430103";

/// Everything that can be said of a book.
fn said(offer: &pb::Offer) -> pb::UpdateBookRequest {
    pb::UpdateBookRequest {
        offer_id: offer.offer_id.clone(),
        price: Some(eur(750)),
        title: "Persuasion".to_owned(),
        authors: vec!["J. Austen".to_owned()],
        isbn: ISBN.to_owned(),
        publisher: "Penguin".to_owned(),
        published_year: 1998,
        language_code: "en-GB".to_owned(),
        description: "Half agony, half hope.".to_owned(),
        categories: vec!["romance".to_owned(), "classics".to_owned()],
        ..Default::default()
    }
}

const ALL: &[&str] = &[
    "price",
    "title",
    "authors",
    "isbn",
    "publisher",
    "published_year",
    "language_code",
    "description",
    "categories",
];

fn masked(request: pb::UpdateBookRequest, fields: &[&str]) -> pb::UpdateBookRequest {
    let paths = fields.iter().map(|field| (*field).to_owned()).collect();
    pb::UpdateBookRequest { update_mask: Some(prost_types::FieldMask { paths }), ..request }
}

async fn update(at: &Owner, by: &User, request: pb::UpdateBookRequest) -> Result<pb::Book, Status> {
    let request = by.asks(request).map_err(|error| Status::internal(error.to_string()))?;
    Ok(at.client.clone().update_book(request).await?.into_inner())
}

impl Owner {
    async fn says(&self, request: pb::UpdateBookRequest) -> Result<pb::Book, Status> {
        update(self, &self.user, request).await
    }

    /// Offers the book with this ISBN too.
    async fn joins(&mut self, book: &pb::Book) -> Result<pb::Offer> {
        let book = pb::AddBookRequest { isbn: book.isbn.clone(), ..self.emma() };
        let offers = self.adds(book).await?.offers;
        offers.into_iter().find(|offer| offer.shop_id == self.shop.shop_id).context("no offer")
    }
}

#[tokio::test]
async fn the_shop_that_alone_offers_a_book_says_everything_of_it() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let book = owner.adds(owner.emma()).await?;
    let request = masked(said(&book.offers[0]), ALL);

    let changed = owner.says(request.clone()).await?;
    assert_eq!(
        (changed.title.as_str(), changed.authors.as_slice()),
        ("Persuasion", &["J. Austen".to_owned()][..])
    );
    assert_eq!((changed.isbn.as_str(), changed.publisher.as_str()), (ISBN, "Penguin"));
    assert_eq!((changed.published_year, changed.language_code.as_str()), (1998, "en-GB"));
    assert_eq!(changed.description, "Half agony, half hope.");
    assert_eq!(changed.categories, ["classics", "romance"]);
    assert_eq!(changed.offers[0].price, Some(eur(750)));
    assert_eq!(changed.edition_id, book.edition_id);
    assert_ne!((&changed.work_id, &changed.etag), (&book.work_id, &book.etag));
    assert_eq!(owner.says(request).await?, changed);
    Ok(())
}

#[tokio::test]
async fn only_masked_fields_are_looked_at() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let book = owner.adds(owner.emma()).await?;
    let malformed = pb::UpdateBookRequest {
        offer_id: book.offers[0].offer_id.clone(),
        price: Some(eur(750)),
        isbn: "12".to_owned(),
        publisher: "x".repeat(201),
        ..Default::default()
    };

    let changed = owner.says(masked(malformed.clone(), &["price"])).await?;
    assert_eq!(changed.offers[0].price, Some(eur(750)));
    assert_eq!(pb::Book { offers: book.offers.clone(), ..changed }, book, "the price is none of the book's");

    let wrong = wrong_fields(owner.says(masked(malformed.clone(), &["title", "isbn", "publisher"])).await);
    assert_eq!(wrong, ["title", "isbn", "publisher"]);
    for mask in [&[][..], &["offers"], &["price", "price.minor_units"], &["*"]] {
        assert_eq!(wrong_fields(owner.says(masked(malformed.clone(), mask)).await), ["update_mask"]);
    }
    let nothing = masked(pb::UpdateBookRequest::default(), &["price"]);
    assert_eq!(wrong_fields(owner.says(nothing).await), ["offer_id", "price"]);
    Ok(())
}

#[tokio::test]
async fn every_shop_fills_what_is_empty_and_changes_nothing_that_others_sell_by() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let (mut first, mut second) = (bookshop.owner().await?, bookshop.owner().await?);
    let sparse = pb::AddBookRequest { isbn: ISBN.to_owned(), authors: Vec::new(), ..first.emma() };
    let book = first.adds(sparse).await?;
    let offer = second.joins(&book).await?;
    let fillable: Vec<_> = ALL.iter().copied().filter(|field| *field != "title").collect();

    let filled = second.says(masked(said(&offer), &fillable)).await?;
    assert_eq!((filled.title.as_str(), filled.publisher.as_str()), ("Emma", "Penguin"));
    assert_eq!(filled.authors, ["J. Austen"]);
    assert_eq!(filled.categories, ["classics", "romance"]);

    let other = pb::UpdateBookRequest {
        publisher: "Oxford".to_owned(),
        authors: vec!["Jane Austen".to_owned()],
        ..said(&offer)
    };
    let answer = second.says(masked(other, &["title", "authors", "publisher", "language_code"])).await;
    let fields: Vec<_> = failed_preconditions(answer).into_iter().map(|(field, _)| field).collect();
    assert_eq!(fields, ["title", "authors", "publisher"], "the language is what it was");
    let other = pb::UpdateBookRequest { categories: Vec::new(), ..said(&offer) };
    let answer = second.says(masked(other, &["categories"])).await;
    assert_eq!(refusal(answer), (Code::FailedPrecondition, "OFFERED_BY_OTHERS".to_owned()));

    // Once the other shop has withdrawn the book, it is this shop's alone.
    let withdraw = pb::DeleteBookRequest { offer_id: book.offers[0].offer_id.clone() };
    first.client.delete_book(first.user.asks(withdraw)?).await?;
    let changed = second.says(masked(said(&offer), ALL)).await?;
    assert_eq!(changed.title, "Persuasion");
    Ok(())
}

#[tokio::test]
async fn an_edition_moves_to_the_work_of_its_new_title() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let of = |title: &str, category: &str| pb::AddBookRequest {
        title: title.to_owned(),
        categories: vec![category.to_owned()],
        ..owner.emma()
    };
    let (known, wrong, also_wrong) =
        (of("Persuasion", "classics"), of("Perswasion", "drama"), of("Perswasion", "drama"));
    let known = owner.adds(known).await?;
    let (wrong, also_wrong) = (owner.adds(wrong).await?, owner.adds(also_wrong).await?);
    assert_eq!(wrong.work_id, also_wrong.work_id);

    let moved = owner.says(masked(said(&wrong.offers[0]), &["title"])).await?;
    assert_eq!((&moved.work_id, &moved.categories), (&known.work_id, &known.categories));
    let fresh = pb::UpdateBookRequest { title: "Sanditon".to_owned(), ..said(&also_wrong.offers[0]) };
    let fresh = owner.says(masked(fresh, &["title"])).await?;
    assert_eq!(fresh.categories, ["drama"], "a new work takes them over");

    // Another spelling is the same work, for all its editions.
    let spelled = pb::UpdateBookRequest { title: "PERSUASION".to_owned(), ..said(&known.offers[0]) };
    let spelled = owner.says(masked(spelled, &["title"])).await?;
    assert_eq!((spelled.work_id.as_str(), spelled.title.as_str()), (known.work_id.as_str(), "PERSUASION"));
    let ask = pb::BatchGetBooksRequest { edition_ids: vec![moved.edition_id] };
    assert_eq!(owner.client.batch_get_books(ask).await?.into_inner().books[0].title, "PERSUASION");
    Ok(())
}

#[tokio::test]
async fn an_isbn_is_given_once_and_to_one_edition() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let (first, second) = (owner.adds(owner.emma()).await?, owner.adds(owner.emma()).await?);

    owner.says(masked(said(&first.offers[0]), &["isbn"])).await?;
    let answer = owner.says(masked(said(&second.offers[0]), &["isbn"])).await;
    assert_eq!(refusal(answer), (Code::AlreadyExists, "ISBN_TAKEN".to_owned()));
    for isbn in ["", OTHER_ISBN] {
        let other = pb::UpdateBookRequest { isbn: isbn.to_owned(), ..said(&first.offers[0]) };
        let answer = owner.says(masked(other, &["isbn"])).await;
        assert_eq!(refusal(answer), (Code::FailedPrecondition, "ISBN_KNOWN".to_owned()));
    }
    Ok(())
}

#[tokio::test]
async fn a_change_to_a_book_that_has_changed_is_refused_and_a_repeated_one_is_not() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let read = owner.adds(owner.emma()).await?;
    let with_etag = pb::UpdateBookRequest { etag: read.etag.clone(), ..said(&read.offers[0]) };

    let changed = owner.says(masked(with_etag.clone(), &["publisher"])).await?;
    assert_eq!(owner.says(masked(with_etag.clone(), &["publisher"])).await?, changed);
    for stale in ["title", "categories", "price"] {
        let answer = owner.says(masked(with_etag.clone(), &[stale])).await;
        assert_eq!(refusal(answer), (Code::Aborted, "ETAG_MISMATCH".to_owned()), "{stale}");
    }
    let reread = pb::UpdateBookRequest { etag: changed.etag, ..with_etag };
    owner.says(masked(reread, &["categories"])).await?;
    Ok(())
}

#[tokio::test]
async fn prices_are_the_shops_and_who_manages_the_catalogue_says_the_rest() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let (mut first, mut second) = (bookshop.owner().await?, bookshop.owner().await?);
    let book = first.adds(pb::AddBookRequest { isbn: ISBN.to_owned(), ..first.emma() }).await?;
    second.joins(&book).await?;
    let (offer, stranger) = (&book.offers[0], bookshop.shop_owner()?);
    let manager = bookshop.user(&[Permission::CATALOGUE_MANAGE])?;
    let denied = (Code::PermissionDenied, "NOT_THE_OWNER".to_owned());

    for fields in [&["price"][..], &["publisher"]] {
        assert_eq!(refusal(update(&first, &stranger, masked(said(offer), fields)).await), denied);
    }
    assert_eq!(refusal(update(&first, &manager, masked(said(offer), &["price", "title"])).await), denied);
    let all_but_price: Vec<_> = ALL.iter().copied().filter(|field| *field != "price").collect();
    let changed = update(&first, &manager, masked(said(offer), &all_but_price)).await?;
    assert_eq!((changed.title.as_str(), changed.offers.len()), ("Persuasion", 2));

    let unknown = pb::Offer { offer_id: values::OfferId::new().to_string(), ..offer.clone() };
    let not_found = (Code::NotFound, "OFFER_NOT_FOUND".to_owned());
    assert_eq!(refusal(first.says(masked(said(&unknown), &["price"])).await), not_found);
    let withdraw = pb::DeleteBookRequest { offer_id: offer.offer_id.clone() };
    first.client.delete_book(first.user.asks(withdraw)?).await?;
    assert_eq!(refusal(first.says(masked(said(offer), &["price"])).await), not_found);
    Ok(())
}

#[tokio::test]
async fn changes_at_once_come_one_after_the_other() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let book = owner.adds(owner.emma()).await?;
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..12 {
        let request = pb::UpdateBookRequest {
            title: format!("Emma {}", number % 3),
            published_year: 2000 + number,
            etag: book.etag.clone(),
            ..said(&book.offers[0])
        };
        let request = owner.user.asks(masked(request, &["title", "published_year"]))?;
        let mut client = owner.client.clone();
        calls.spawn(async move { client.update_book(request).await.map(tonic::Response::into_inner) });
    }

    let (done, refused): (Vec<_>, Vec<_>) = calls.join_all().await.into_iter().partition(Result::is_ok);
    assert_eq!(done.len(), 1, "the others had read an older book");
    for answer in refused {
        assert_eq!(refusal(answer), (Code::Aborted, "ETAG_MISMATCH".to_owned()));
    }
    assert_eq!(bookshop.number("SELECT count(*) FROM editions").await?, 1);
    Ok(())
}

#[tokio::test]
async fn shops_join_while_the_first_one_still_renames_the_book() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let book = owner.adds(pb::AddBookRequest { isbn: ISBN.to_owned(), ..owner.emma() }).await?;
    let mut joins = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (mut other, book) = (bookshop.owner().await?, book.clone());
        joins.spawn(async move { other.joins(&book).await });
    }
    let mut renames = tokio::task::JoinSet::new();
    for number in 0..8 {
        let title = format!("Emma {number}");
        let request = pb::UpdateBookRequest { title, ..said(&book.offers[0]) };
        let request = owner.user.asks(masked(request, &["title"]))?;
        let mut client = owner.client.clone();
        renames.spawn(async move { client.update_book(request).await.map(tonic::Response::into_inner) });
    }

    for joined in joins.join_all().await {
        joined?;
    }
    for renamed in renames.join_all().await.into_iter().filter(Result::is_err) {
        assert_eq!(refusal(renamed), (Code::FailedPrecondition, "OFFERED_BY_OTHERS".to_owned()));
    }
    assert_eq!(bookshop.number("SELECT count(*) FROM editions").await?, 1);
    assert_eq!(bookshop.number("SELECT count(*) FROM offers").await?, 9);
    Ok(())
}
