//! `order place`.

use std::collections::HashMap;

use clap::Args;
use proto::order::v1::{OrderItem, PaymentMethod, PlaceOrderRequest};

use super::{follow, print};
use crate::{
    commands::books, failure::Failure, gateway::Gateway, output::Output, request::RequestId, session::Session,
};

/// Orders books.
#[derive(Args)]
#[command(after_long_help = "\
A book is named by its ISBN or edition (the cheapest offer with enough copies is taken), or by one offer, ofr_….

Examples:
  bookstore order place --book 9780441172719 --watch
  bookstore order place --book 9780441172719:2 --book ofr_…:1 --address adr_… --card crd_…")]
pub(crate) struct Place {
    /// What to order, and how many copies after a colon; repeat for several
    #[arg(long = "book", required = true, value_name = "BOOK[:COPIES]")]
    books: Vec<String>,
    /// Where to deliver, adr_…; your default address if not given
    #[arg(long, default_value = "")]
    address: String,
    /// The card that pays, crd_…; your wallet pays if not given
    #[arg(long)]
    card: Option<String>,
    /// Stay and follow the order until it is confirmed or cancelled; as JSON the order and each change are a line each
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    request_id: RequestId,
}

impl Place {
    pub(crate) async fn run(
        self,
        at: &Gateway,
        session: &Session<'_>,
        output: &Output,
    ) -> Result<(), Failure> {
        let mut items = Vec::with_capacity(self.books.len());
        for book in &self.books {
            items.push(item(at, book).await?);
        }
        let names = names(&self.books, &items);
        let request_id = self.request_id.or_new();
        let wanted = PlaceOrderRequest {
            request_id: request_id.clone(),
            items,
            address_id: self.address,
            payment_method: self.card.as_ref().map_or(PaymentMethod::Wallet, |_| PaymentMethod::Card).into(),
            card_id: self.card.unwrap_or_default(),
        };
        let orders = at.order().await?;
        let order = session
            .change(&request_id, async || orders.clone().place_order(session.sign(wanted.clone())).await)
            .await
            .map_err(|failure| failure.naming(names).repeated_by(repetition(&wanted)))?;
        if self.watch {
            output.event(&order, print::details);
            return follow::until_settled(at, session, output, &order.order_id).await;
        }
        output.answer(&order, print::details);
        output.hint(&format!("Follow it with: bookstore order watch {}", order.order_id));
        Ok(())
    }
}

/// What the user called that which the shop names in a refusal.
fn names(books: &[String], items: &[OrderItem]) -> HashMap<String, String> {
    let named = books.iter().zip(items).enumerate().flat_map(|(index, (book, item))| {
        let fields =
            [item.offer_id.clone(), format!("items[{index}].offer_id"), format!("items[{index}].quantity")];
        fields.map(|field| (field, format!("--book {book}")))
    });
    named.collect()
}

/// Names the offers that were chosen: typed again with an ISBN, the command might choose others.
fn repetition(request: &PlaceOrderRequest) -> String {
    let books = request.items.iter().map(|item| format!(" --book {}:{}", item.offer_id, item.quantity));
    let books: String = books.collect();
    let mut command = format!("bookstore order place{books}");
    for (option, value) in [("--address", &request.address_id), ("--card", &request.card_id)] {
        if !value.is_empty() {
            command.extend([" ", option, " ", value]);
        }
    }
    format!("{command} --request-id {}", request.request_id)
}

/// `BOOK[:COPIES]` as an item of an order.
async fn item(at: &Gateway, text: &str) -> Result<OrderItem, Failure> {
    let (book, quantity) = books::with_copies(text)?;
    if book.starts_with("ofr_") {
        return Ok(OrderItem { offer_id: book.to_owned(), quantity });
    }
    let found = books::find(at, book).await?;
    let enough = found.offers.iter().find(|offer| offer.available >= i64::from(quantity));
    // Without enough copies anywhere the cheapest is asked for, and the shop says what is missing.
    let offer = enough
        .or(found.offers.first())
        .ok_or_else(|| Failure::not_possible(format!("nobody sells `{}` at the moment", found.title)))?;
    Ok(OrderItem { offer_id: offer.offer_id.clone(), quantity })
}
