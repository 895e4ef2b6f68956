//! `order return|returns`: books that a customer sends back.

use clap::Args;
use proto::order::v1::{GetOrderRequest, Order, OrderItem, RequestReturnRequest};

use crate::{
    commands::{
        books,
        shop::returns::{self, Filter},
    },
    failure::Failure,
    gateway::Gateway,
    output::Output,
    paging::Paging,
    request::RequestId,
    session::Session,
};

#[derive(Args)]
#[command(after_long_help = "\
The shop says whether it takes them back; then what they cost is given back, too.

Examples:
  bookstore order return ord_… --reason 'the wrong edition'
  bookstore order return ord_… --book 9780441172719:1")]
pub(crate) struct Return {
    /// Which order: ord_…
    order: String,
    /// What to return, and how many copies after a colon: an ISBN, edition or offer; all if not given
    #[arg(long = "book", value_name = "BOOK[:COPIES]")]
    books: Vec<String>,
    /// Which shop's part of it, shp_…; needed only if several shops have sent some
    #[arg(long, default_value = "")]
    shop: String,
    /// Why
    #[arg(long, default_value = "")]
    reason: String,
    #[command(flatten)]
    request_id: RequestId,
}

#[derive(Args)]
#[command(
    after_long_help = "Examples:\n  bookstore order returns\n  bookstore order returns --order ord_… --state accepted"
)]
pub(crate) struct Returns {
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    paging: Paging,
}

impl Return {
    pub(crate) async fn run(
        self,
        at: &Gateway,
        session: &Session<'_>,
        output: &Output,
    ) -> Result<(), Failure> {
        let items = items(at, session, &self.order, &self.books).await?;
        let request_id = self.request_id.or_new();
        let wanted = RequestReturnRequest {
            request_id: request_id.clone(),
            order_id: self.order,
            shop_id: self.shop,
            items,
            reason: self.reason,
        };
        let orders = at.order().await?;
        let asked = session
            .change(&request_id, async || orders.clone().request_return(session.sign(wanted.clone())).await)
            .await?;
        output.answer(&asked, returns::details);
        Ok(())
    }
}

impl Returns {
    pub(crate) async fn run(
        self,
        at: &Gateway,
        session: &Session<'_>,
        output: &Output,
    ) -> Result<(), Failure> {
        self.filter.list(at, session, output, &self.paging, String::new()).await
    }
}

/// What was typed, as offers of the order.
async fn items(
    at: &Gateway,
    session: &Session<'_>,
    order_id: &str,
    books: &[String],
) -> Result<Vec<OrderItem>, Failure> {
    let mut items = Vec::with_capacity(books.len());
    let mut order = None;
    for text in books {
        let (book, quantity) = books::with_copies(text)?;
        let offer_id = if book.starts_with("ofr_") {
            book.to_owned()
        } else {
            if order.is_none() {
                let orders = at.order().await?;
                let found = session.ask(async || {
                    let request = GetOrderRequest { order_id: order_id.to_owned() };
                    orders.clone().get_order(session.sign(request)).await
                });
                order = Some(found.await?);
            }
            let edition_id = if book.starts_with("edn_") {
                book.to_owned()
            } else {
                books::find(at, book).await?.edition_id
            };
            bought(order.as_ref(), &edition_id)
                .ok_or_else(|| Failure::not_possible(format!("`{book}` is not in this order")))?
        };
        items.push(OrderItem { offer_id, quantity });
    }
    Ok(items)
}

/// The offer by which an edition was bought.
fn bought(order: Option<&Order>, edition_id: &str) -> Option<String> {
    let line = order?.lines.iter().find(|line| line.edition_id == edition_id)?;
    Some(line.offer_id.clone())
}
