//! `book add`.

use clap::{Args, Subcommand};
use proto::inventory::v1::AddBookRequest;

use crate::{
    commands::wallet::parse_money,
    failure::Failure,
    gateway::Gateway,
    output::{self, Output},
    request::{self, RequestId},
    session::Session,
};

#[derive(Subcommand)]
pub(crate) enum Book {
    /// Offer a book in your shop
    Add(Box<Add>),
}

#[derive(Args)]
#[command(
    after_long_help = "Example:\n  bookstore book add --shop shp_… --title Dune --author 'Frank Herbert' --isbn 978-0-441-17271-9 \\\n    --category science-fiction --price '9.99 EUR' --stock 12"
)]
pub(crate) struct Add {
    /// Your shop: shp_…
    #[arg(long)]
    shop: String,
    /// Title of the work
    #[arg(long)]
    title: String,
    /// An author; repeat for several
    #[arg(long = "author", required = true)]
    authors: Vec<String>,
    /// ISBN-10 or ISBN-13, where the edition has one
    #[arg(long, default_value = "")]
    isbn: String,
    /// Price of one copy: '9.99 EUR'
    #[arg(long)]
    price: String,
    /// Copies on the shelf to begin with
    #[arg(long, default_value_t = 0)]
    stock: i32,
    /// A category, for example science-fiction; repeat for several
    #[arg(long = "category")]
    categories: Vec<String>,
    /// Who published this edition
    #[arg(long, default_value = "")]
    publisher: String,
    /// Year of this edition
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    year: i32,
    /// Language it is written in: en
    #[arg(long, default_value = "")]
    language: String,
    /// What it is about
    #[arg(long, default_value = "")]
    description: String,
    #[command(flatten)]
    request_id: RequestId,
}

impl Book {
    pub(crate) async fn run(self, at: &Gateway, output: &Output) -> Result<(), Failure> {
        let Self::Add(add) = self;
        let session = Session::load()?;
        let request_id = add.request_id.or_new();
        let wanted = AddBookRequest {
            request_id: request_id.clone(),
            shop_id: add.shop,
            title: add.title,
            authors: add.authors,
            isbn: add.isbn,
            publisher: add.publisher,
            published_year: add.year,
            language_code: add.language,
            description: add.description,
            categories: add.categories,
            price: Some(parse_money(&add.price)?),
            initial_stock: add.stock,
        };
        let inventory = at.inventory().await?;
        let book = request::change(&request_id, async || {
            inventory.clone().add_book(session.sign(wanted.clone())).await
        })
        .await?;
        output.answer(&book, |book| {
            let offer = book.offers.first();
            output::facts(&[
                ("Offer", offer.map(|offer| offer.offer_id.clone()).unwrap_or_default()),
                ("Title", book.title.clone()),
                ("ISBN", book.isbn.clone()),
                ("Edition", book.edition_id.clone()),
                ("Price", offer.map(|offer| output::money(offer.price.as_ref())).unwrap_or_default()),
                ("In stock", offer.map(|offer| offer.available.to_string()).unwrap_or_default()),
            ])
        });
        Ok(())
    }
}
