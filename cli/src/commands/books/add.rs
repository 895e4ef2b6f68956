//! `books add`.

use clap::Args;
use proto::inventory::v1::AddBookRequest;

use crate::{
    commands::{shop, wallet::parse_money},
    failure::Failure,
    gateway::Gateway,
    output::{self, Output},
    request::RequestId,
    session::Session,
};

#[derive(Args)]
#[command(
    after_long_help = "Example:\n  bookstore books add --title Dune --author 'Frank Herbert' --isbn 978-0-441-17271-9 \\\n    --category science-fiction --price '9.99 EUR' --stock 12"
)]
pub(crate) struct Add {
    /// Your shop, shp_…; the only one that you work in if not given
    #[arg(long)]
    shop: Option<String>,
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

impl Add {
    pub(super) async fn run(
        self,
        at: &Gateway,
        session: &Session<'_>,
        output: &Output,
    ) -> Result<(), Failure> {
        let request_id = self.request_id.or_new();
        let wanted = AddBookRequest {
            request_id: request_id.clone(),
            shop_id: shop::or_only(at, session, self.shop).await?,
            title: self.title,
            authors: self.authors,
            isbn: self.isbn,
            publisher: self.publisher,
            published_year: self.year,
            language_code: self.language,
            description: self.description,
            categories: self.categories,
            price: Some(parse_money(&self.price)?),
            initial_stock: self.stock,
        };
        let inventory = at.inventory().await?;
        let book = session
            .change(&request_id, async || inventory.clone().add_book(session.sign(wanted.clone())).await)
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
