//! `order place|show|watch|list|cancel|return|returns|ship|deliver`.

mod everybody;
mod follow;
mod give_back;
mod place;
mod print;
mod ship;

use clap::{Args, Subcommand};
use proto::order::v1::{
    CancelOrderRequest, GetOrderHistoryRequest, GetOrderHistoryResponse, GetOrderRequest,
};

use crate::{
    failure::Failure,
    gateway::Gateway,
    output::Output,
    paging::{self, Paging},
    request::RequestId,
    session::Session,
};

#[derive(Subcommand)]
pub(crate) enum Order {
    /// Order books
    Place(place::Place),
    /// Show an order and each step it took
    #[command(after_long_help = "Example:\n  bookstore order show ord_…")]
    Show(Which),
    /// Follow an order until it is confirmed or cancelled; as JSON each change is a line
    #[command(
        after_long_help = "Examples:\n  bookstore order watch\n  bookstore order watch ord_… --output json"
    )]
    Watch(Which),
    /// List your orders, the newest first; for those who run the shop also everybody's
    List(Box<List>),
    /// Cancel an order that is pending or confirmed; what was paid comes back
    Cancel(Cancel),
    /// Ask a shop to take delivered books back
    Return(give_back::Return),
    /// List what you asked to return
    Returns(give_back::Returns),
    /// For booksellers: tell that your part of an order is on its way
    Ship(ship::Ship),
    /// For booksellers: tell that your part of an order has arrived
    Deliver(ship::Deliver),
}

#[derive(Args)]
pub(crate) struct Which {
    /// Which order, ord_…; your newest if not given
    order: Option<String>,
}

#[derive(Args)]
#[command(
    after_long_help = "Examples:\n  bookstore order list --limit 5\n  bookstore order list --all --output json | jq -r '.orders[].order_id'\n  bookstore order list --everybody --state cancelled --reason payment-declined"
)]
pub(crate) struct List {
    #[command(flatten)]
    everybody: everybody::Everybody,
    #[command(flatten)]
    paging: Paging,
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
    pub(crate) async fn run(self, at: &Gateway, output: &Output) -> Result<(), Failure> {
        let session = Session::open(at, output).await?;
        match self {
            Self::Place(place) => place.run(at, &session, output).await,
            Self::Show(which) => {
                let order_id = which.or_newest(at, &session).await?;
                let orders = at.order().await?;
                let order = session
                    .ask(async || {
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
            Self::Return(give_back) => give_back.run(at, &session, output).await,
            Self::Returns(returns) => returns.run(at, &session, output).await,
            Self::Ship(ship) => ship.run(at, &session, output).await,
            Self::Deliver(deliver) => deliver.run(at, &session, output).await,
        }
    }
}

impl Which {
    async fn or_newest(self, at: &Gateway, session: &Session<'_>) -> Result<String, Failure> {
        if let Some(order) = self.order {
            return Ok(order);
        }
        let orders = at.order().await?;
        let newest = session
            .ask(async || {
                let request = GetOrderHistoryRequest { page_size: 1, page_token: String::new() };
                orders.clone().get_order_history(session.sign(request)).await
            })
            .await?;
        let newest = newest.orders.into_iter().next();
        newest.map(|order| order.order_id).ok_or_else(|| {
            Failure::not_possible("you have no order yet; find a book with: bookstore books list")
        })
    }
}

impl List {
    async fn run(self, at: &Gateway, session: &Session<'_>, output: &Output) -> Result<(), Failure> {
        if self.everybody.is_wanted() {
            return self.everybody.list(at, session, output, &self.paging).await;
        }
        let orders = at.order().await?;
        let fetch = async |page_size, page_token: String| {
            let page = session.ask(async || {
                let request = GetOrderHistoryRequest { page_size, page_token: page_token.clone() };
                orders.clone().get_order_history(session.sign(request)).await
            });
            page.await.map(|page| (page.orders, page.next_page_token))
        };
        let (orders, next_page_token) = self.paging.part(fetch).await?;
        let answer = GetOrderHistoryResponse { orders, next_page_token };
        output.answer(&answer, print::list);
        paging::hint_at(&answer.next_page_token, output);
        Ok(())
    }
}

impl Cancel {
    async fn run(self, at: &Gateway, session: &Session<'_>, output: &Output) -> Result<(), Failure> {
        let request_id = self.request_id.or_new();
        let wanted =
            CancelOrderRequest { request_id: request_id.clone(), order_id: self.order, note: self.note };
        let orders = at.order().await?;
        let order = session
            .change(&request_id, async || orders.clone().cancel_order(session.sign(wanted.clone())).await)
            .await?;
        output.answer(&order, print::details);
        Ok(())
    }
}
