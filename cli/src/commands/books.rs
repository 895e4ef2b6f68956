//! `books list|show|add|update|withdraw|import`.

mod add;
mod import;
mod update;

pub use import::read_feed;

use std::io::{self, IsTerminal as _};

use clap::{Args, Subcommand};
use proto::inventory::v1::{
    Book, GetBookDetailsRequest, ListBooksRequest, ListBooksResponse, get_book_details_request,
};

use crate::{
    failure::Failure,
    gateway::Gateway,
    output::{self, Output},
    paging::{self, Paging},
    request,
    session::Session,
};

#[derive(Subcommand)]
pub(crate) enum Books {
    /// List the books on offer, by title
    List(List),
    /// Show a book and who sells it
    Show(Show),
    /// For booksellers: offer a book in your shop
    Add(Box<add::Add>),
    /// For booksellers: change the price of a book, or what is known of it
    Update(Box<update::Update>),
    /// For booksellers: offer a book no more
    Withdraw(update::Withdraw),
    /// For booksellers: offer all the books of a file
    Import(Box<import::Import>),
}

#[derive(Args)]
#[command(
    after_long_help = "Examples:\n  bookstore books list --category poetry\n  bookstore books list --search 'left hand dark'\n  bookstore books list --author 'Jane Austen' --shop shp_…\n  bookstore books list --all --output json | jq -r '.books[].isbn'"
)]
pub(crate) struct List {
    /// Only books of this category, for example science-fiction
    #[arg(long, default_value = "")]
    category: String,
    /// Only books that this shop offers: shp_…
    #[arg(long, default_value = "")]
    shop: String,
    /// Only books by this author, the name in full
    #[arg(long, default_value = "")]
    author: String,
    /// Only books with each of these words in the title or the authors' names; the last one may be unfinished
    #[arg(long, value_name = "WORDS", default_value = "")]
    search: String,
    #[command(flatten)]
    paging: Paging,
}

#[derive(Args)]
#[command(after_long_help = "Example:\n  bookstore books show 9780441172719")]
pub(crate) struct Show {
    /// Its ISBN, or an edition: edn_…
    book: String,
}

impl Books {
    pub(crate) async fn run(self, at: &Gateway, output: &Output) -> Result<(), Failure> {
        match self {
            Self::List(list) => list.run(at, output).await,
            Self::Show(show) => {
                let book = find(at, &show.book).await?;
                output.answer(&book, details);
                Ok(())
            }
            Self::Add(add) => add.run(at, &Session::open(at, output).await?, output).await,
            Self::Update(update) => update.run(at, &Session::open(at, output).await?, output, details).await,
            Self::Import(import) => import.run(at, output).await,
            Self::Withdraw(withdraw) => withdraw.run(at, &Session::open(at, output).await?, output).await,
        }
    }
}

impl List {
    async fn run(self, at: &Gateway, output: &Output) -> Result<(), Failure> {
        let inventory = at.inventory().await?;
        let fetch = async |page_size, page_token: String| {
            let page = request::repeat(async || {
                let request = ListBooksRequest {
                    page_size,
                    page_token: page_token.clone(),
                    category: self.category.clone(),
                    shop_id: self.shop.clone(),
                    author: self.author.clone(),
                    query: self.search.clone(),
                };
                inventory.clone().list_books(request).await
            });
            page.await.map(|page| (page.books, page.next_page_token))
        };
        let (books, next_page_token) = self.paging.part(fetch).await?;
        let answer = ListBooksResponse { books, next_page_token };
        output.answer(&answer, |answer| {
            if answer.books.is_empty() {
                return "No book on offer here.".to_owned();
            }
            output::table(&["ISBN", "TITLE", "AUTHORS", "FROM", "IN STOCK"], answer.books.iter().map(row))
        });
        paging::hint_at(&answer.next_page_token, output);
        Ok(())
    }
}

/// The book of an ISBN or an edition, with every offer.
pub(crate) async fn find(at: &Gateway, name: &str) -> Result<Book, Failure> {
    let book = if name.starts_with("edn_") {
        get_book_details_request::Book::EditionId(name.to_owned())
    } else {
        get_book_details_request::Book::Isbn(name.to_owned())
    };
    let inventory = at.inventory().await?;
    request::repeat(async || {
        inventory.clone().get_book_details(GetBookDetailsRequest { book: Some(book.clone()) }).await
    })
    .await
}

fn row(book: &Book) -> Vec<String> {
    let cheapest = book.offers.first();
    let available: i64 = book.offers.iter().map(|offer| offer.available).sum();
    vec![
        if book.isbn.is_empty() { book.edition_id.clone() } else { book.isbn.clone() },
        book.title.clone(),
        book.authors.join(", "),
        cheapest.map(|offer| output::money(offer.price.as_ref())).unwrap_or_default(),
        available.to_string(),
    ]
}

fn details(book: &Book) -> String {
    let year = if book.published_year == 0 { String::new() } else { book.published_year.to_string() };
    let published: Vec<_> =
        [book.publisher.clone(), year].into_iter().filter(|part| !part.is_empty()).collect();
    let facts = output::facts(&[
        ("Title", book.title.clone()),
        ("Authors", book.authors.join(", ")),
        ("Published", published.join(", ")),
        ("Language", book.language_code.clone()),
        ("Categories", book.categories.join(", ")),
        ("ISBN", book.isbn.clone()),
        ("Edition", book.edition_id.clone()),
    ]);
    let description =
        if book.description.is_empty() { String::new() } else { format!("\n\n{}", book.description) };
    if book.offers.is_empty() {
        return format!("{facts}{description}\n\nNobody sells it at the moment.");
    }
    let offers = book.offers.iter().map(|offer| {
        vec![
            offer.offer_id.clone(),
            offer.shop_name.clone(),
            output::money(offer.price.as_ref()),
            offer.available.to_string(),
        ]
    });
    let offers = output::table(&["OFFER", "SHOP", "PRICE", "IN STOCK"], offers);
    let mut text = format!("{facts}{description}\n\n{offers}");
    if io::stdout().is_terminal() {
        let name = if book.isbn.is_empty() { &book.edition_id } else { &book.isbn };
        text.push_str("\n\nOrder it with: bookstore order place --watch --book ");
        text.push_str(name);
    }
    text
}

/// `BOOK[:COPIES]`: what was meant, and how many; one if not said.
pub(crate) fn with_copies(text: &str) -> Result<(&str, i32), Failure> {
    let (book, copies) = text.rsplit_once(':').unwrap_or((text, "1"));
    let copies = copies.parse().map_err(|_| {
        Failure::usage(format!("`{text}`: `{copies}` is no number of copies; write 9780441172719:2 for two"))
    })?;
    Ok((book, copies))
}
