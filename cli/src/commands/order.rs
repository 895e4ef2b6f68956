//! `order place|show|watch|list|cancel`.

mod follow;
mod place;
mod print;

use clap::{Args, Subcommand};
use proto::order::v1::{CancelOrderRequest, GetOrderHistoryRequest, GetOrderRequest};

use crate::{
    endpoints::Endpoints,
    failure::Failure,
    output::Output,
    request::{self, RequestId},
    session::Session,
};

#[derive(Subcommand)]
pub(crate) enum Order {
    /// Order books
    Place(place::Place),
    /// Show an order and each step it took
    #[command(after_long_help = "Example:\n  bookstore order show ord_…")]
    Show(Which),
    /// Follow an order until it is confirmed or cancelled
    #[command(
        after_long_help = "Examples:\n  bookstore order watch\n  bookstore order watch ord_… --output json"
    )]
    Watch(Which),
    /// List your orders, the newest first
    List(List),
    /// Cancel an order that is pending or confirmed; what you paid comes back
    Cancel(Cancel),
}

#[derive(Args)]
pub(crate) struct Which {
    /// Which order, ord_…; your newest if not given
    order: Option<String>,
}

#[derive(Args)]
#[command(after_long_help = "Example:\n  bookstore order list --limit 5")]
pub(crate) struct List {
    /// How many to list
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(i32).range(1..=200))]
    limit: i32,
    /// Go on where an earlier list ended
    #[arg(long, value_name = "TOKEN", default_value = "")]
    page: String,
}

#[derive(Args)]
#[command(after_long_help = "Example:\n  bookstore order cancel ord_… --note 'ordered twice'")]
pub(crate) struct Cancel {
    /// Which order: ord_…
    order: String,
    /// Why, in your words
    #[arg(long, default_value = "")]
    note: String,
    #[command(flatten)]
    request_id: RequestId,
}

impl Order {
    pub(crate) async fn run(self, at: &Endpoints, output: &Output) -> Result<(), Failure> {
        let session = Session::load()?;
        match self {
            Self::Place(place) => place.run(at, &session, output).await,
            Self::Show(which) => {
                let order_id = which.or_newest(at, &session).await?;
                let orders = at.order().await?;
                let order = request::repeat(async || {
                    orders
                        .clone()
                        .get_order(session.sign(GetOrderRequest { order_id: order_id.clone() }))
                        .await
                })
                .await?;
                output.answer(&order, print::details);
                Ok(())
            }
            Self::Watch(which) => {
                let order_id = which.or_newest(at, &session).await?;
                follow::until_settled(at, &session, output, &order_id).await
            }
            Self::List(list) => list.run(at, &session, output).await,
            Self::Cancel(cancel) => cancel.run(at, &session, output).await,
        }
    }
}

impl Which {
    async fn or_newest(self, at: &Endpoints, session: &Session) -> Result<String, Failure> {
        if let Some(order) = self.order {
            return Ok(order);
        }
        let orders = at.order().await?;
        let newest = request::repeat(async || {
            let request = GetOrderHistoryRequest { page_size: 1, page_token: String::new() };
            orders.clone().get_order_history(session.sign(request)).await
        })
        .await?;
        let newest = newest.orders.into_iter().next();
        newest
            .map(|order| order.order_id)
            .ok_or_else(|| Failure::usage("you have no order yet; find a book with: bookstore books list"))
    }
}

impl List {
    async fn run(self, at: &Endpoints, session: &Session, output: &Output) -> Result<(), Failure> {
        let orders = at.order().await?;
        let answer = request::repeat(async || {
            let request = GetOrderHistoryRequest { page_size: self.limit, page_token: self.page.clone() };
            orders.clone().get_order_history(session.sign(request)).await
        })
        .await?;
        output.answer(&answer, print::list);
        if !answer.next_page_token.is_empty() {
            output.hint(&format!("There are more: --page {}", answer.next_page_token));
        }
        Ok(())
    }
}

impl Cancel {
    async fn run(self, at: &Endpoints, session: &Session, output: &Output) -> Result<(), Failure> {
        let request_id = self.request_id.or_new();
        let wanted =
            CancelOrderRequest { request_id: request_id.clone(), order_id: self.order, note: self.note };
        let orders = at.order().await?;
        let order = request::change(&request_id, async || {
            orders.clone().cancel_order(session.sign(wanted.clone())).await
        })
        .await?;
        output.answer(&order, print::details);
        Ok(())
    }
}
