//! `books update|withdraw`.

use clap::Args;
use proto::inventory::v1::{Book, DeleteBookRequest, UpdateBookRequest};
use serde_json::json;

use crate::{
    commands::{self, wallet::parse_money},
    failure::Failure,
    gateway::Gateway,
    output::Output,
    session::Session,
};

#[derive(Args)]
#[command(after_long_help = "\
The price is your shop's. What is known of the book itself is changed by the shop that alone offers it; every shop may \
fill what is empty. An empty text empties a field.

Examples:
  bookstore books update ofr_… --price '8.50 EUR'
  bookstore books update ofr_… --publisher Ace --year 1990 --category classics")]
pub(crate) struct Update {
    /// Your offer of it: ofr_…
    offer: String,
    /// Price of one copy: '9.99 EUR'
    #[arg(long)]
    price: Option<String>,
    /// Title of the work
    #[arg(long)]
    title: Option<String>,
    /// An author, and with each further one all of them
    #[arg(long = "author")]
    authors: Vec<String>,
    /// ISBN-10 or ISBN-13, where the edition has none yet
    #[arg(long)]
    isbn: Option<String>,
    /// Who published this edition
    #[arg(long)]
    publisher: Option<String>,
    /// Year of this edition; 0 where unknown
    #[arg(long, allow_negative_numbers = true)]
    year: Option<i32>,
    /// Language it is written in: en
    #[arg(long)]
    language: Option<String>,
    /// What it is about
    #[arg(long)]
    description: Option<String>,
    /// A category, and with each further one all of them
    #[arg(long = "category")]
    categories: Vec<String>,
}

#[derive(Args)]
#[command(
    after_long_help = "Orders keep it, and what is reserved is still sold. To bring it back, add it again.\n\nExample:\n  bookstore books withdraw ofr_…"
)]
pub(crate) struct Withdraw {
    /// Your offer of it: ofr_…
    offer: String,
}

impl Update {
    pub(super) async fn run(
        self,
        at: &Gateway,
        session: &Session<'_>,
        output: &Output,
        details: impl FnOnce(&Book) -> String,
    ) -> Result<(), Failure> {
        let update_mask = commands::mask([
            ("price", self.price.is_some()),
            ("title", self.title.is_some()),
            ("authors", !self.authors.is_empty()),
            ("isbn", self.isbn.is_some()),
            ("publisher", self.publisher.is_some()),
            ("published_year", self.year.is_some()),
            ("language_code", self.language.is_some()),
            ("description", self.description.is_some()),
            ("categories", !self.categories.is_empty()),
        ]);
        if update_mask.is_none() {
            return Err(Failure::usage("say what to change: bookstore books update --help"));
        }
        let wanted = UpdateBookRequest {
            offer_id: self.offer,
            price: self.price.as_deref().map(parse_money).transpose()?,
            title: self.title.unwrap_or_default(),
            authors: without_empty(self.authors),
            isbn: self.isbn.unwrap_or_default(),
            publisher: self.publisher.unwrap_or_default(),
            published_year: self.year.unwrap_or_default(),
            language_code: self.language.unwrap_or_default(),
            description: self.description.unwrap_or_default(),
            categories: without_empty(self.categories),
            update_mask,
            etag: String::new(),
        };
        let inventory = at.inventory().await?;
        let book = session
            .change_again(async || inventory.clone().update_book(session.sign(wanted.clone())).await)
            .await?;
        output.answer(&book, details);
        Ok(())
    }
}

impl Withdraw {
    pub(super) async fn run(
        self,
        at: &Gateway,
        session: &Session<'_>,
        output: &Output,
    ) -> Result<(), Failure> {
        let wanted = DeleteBookRequest { offer_id: self.offer };
        let inventory = at.inventory().await?;
        session
            .change_again(async || inventory.clone().delete_book(session.sign(wanted.clone())).await)
            .await?;
        let told = "Nobody finds or orders it any more. To bring it back, add it again.";
        output.value(&json!({ "withdrawn": wanted.offer_id }), told);
        Ok(())
    }
}

/// `--category ''` is none.
fn without_empty(list: Vec<String>) -> Vec<String> {
    list.into_iter().filter(|item| !item.is_empty()).collect()
}
