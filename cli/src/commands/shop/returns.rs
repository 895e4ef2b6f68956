//! `shop returns|accept-return|reject-return`.

use clap::Args;
use proto::order::v1::{ListReturnsRequest, ListReturnsResponse, ResolveReturnRequest, Return, ReturnState};

use super::or_only;
use crate::{
    choice,
    failure::Failure,
    gateway::Gateway,
    output::{self, Output},
    paging::{self, Paging},
    request::RequestId,
    session::Session,
};

/// Which returns.
#[derive(Args)]
pub(crate) struct Filter {
    /// Only those that stand there
    #[arg(long, value_parser = choice::parser("RETURN_STATE_", ReturnState::as_str_name))]
    state: Option<ReturnState>,
    /// Only those of this order: ord_…
    #[arg(long, default_value = "")]
    order: String,
}

#[derive(Args)]
#[command(after_long_help = "Example:\n  bookstore shop returns --state requested")]
pub(crate) struct List {
    /// Which shop, shp_…; your only one if not given
    shop: Option<String>,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    paging: Paging,
}

#[derive(Args)]
#[command(
    after_long_help = "Example:\n  bookstore shop accept-return ret_… --restock --answer 'Thank you, all is well'"
)]
pub(crate) struct Accept {
    /// Which return: ret_…
    id: String,
    /// Put the books back on the shelf
    #[arg(long)]
    restock: bool,
    /// For the customer
    #[arg(long, default_value = "")]
    answer: String,
    #[command(flatten)]
    request_id: RequestId,
}

#[derive(Args)]
#[command(
    after_long_help = "Example:\n  bookstore shop reject-return ret_… --answer 'It has coffee on every page'"
)]
pub(crate) struct Reject {
    /// Which return: ret_…
    id: String,
    /// For the customer
    #[arg(long, default_value = "")]
    answer: String,
    #[command(flatten)]
    request_id: RequestId,
}

impl List {
    pub(crate) async fn run(
        self,
        at: &Gateway,
        session: &Session<'_>,
        output: &Output,
    ) -> Result<(), Failure> {
        let shop_id = or_only(at, session, self.shop).await?;
        self.filter.list(at, session, output, &self.paging, shop_id).await
    }
}

impl Filter {
    /// Lists those of a shop; without a shop the caller's own.
    pub(crate) async fn list(
        self,
        at: &Gateway,
        session: &Session<'_>,
        output: &Output,
        paging: &Paging,
        shop_id: String,
    ) -> Result<(), Failure> {
        let orders = at.order().await?;
        let fetch = async |page_size, page_token: String| {
            let page = session.ask(async || {
                let request = ListReturnsRequest {
                    page_size,
                    page_token: page_token.clone(),
                    shop_id: shop_id.clone(),
                    state: self.state.unwrap_or_default().into(),
                    order_id: self.order.clone(),
                };
                orders.clone().list_returns(session.sign(request)).await
            });
            page.await.map(|page| (page.returns, page.next_page_token))
        };
        let (returns, next_page_token) = paging.part(fetch).await?;
        let answer = ListReturnsResponse { returns, next_page_token };
        output.answer(&answer, |answer| {
            if answer.returns.is_empty() {
                return "No return here.".to_owned();
            }
            let row = |given: &Return| {
                vec![
                    given.return_id.clone(),
                    given.order_id.clone(),
                    output::time(given.create_time.as_ref()),
                    state(given),
                    copies(given),
                    output::money(given.amount.as_ref()),
                    given.reason.clone(),
                ]
            };
            let heading = ["RETURN", "ORDER", "SINCE", "STATE", "COPIES", "AMOUNT", "WHY"];
            output::table(&heading, answer.returns.iter().map(row))
        });
        paging::hint_at(&answer.next_page_token, output);
        Ok(())
    }
}

impl Accept {
    pub(crate) async fn run(
        self,
        at: &Gateway,
        session: &Session<'_>,
        output: &Output,
    ) -> Result<(), Failure> {
        let wanted = ResolveReturnRequest {
            request_id: self.request_id.or_new(),
            return_id: self.id,
            accept: true,
            restock: self.restock,
            answer: self.answer,
        };
        resolve(at, session, output, wanted).await
    }
}

impl Reject {
    pub(crate) async fn run(
        self,
        at: &Gateway,
        session: &Session<'_>,
        output: &Output,
    ) -> Result<(), Failure> {
        let wanted = ResolveReturnRequest {
            request_id: self.request_id.or_new(),
            return_id: self.id,
            accept: false,
            restock: false,
            answer: self.answer,
        };
        resolve(at, session, output, wanted).await
    }
}

async fn resolve(
    at: &Gateway,
    session: &Session<'_>,
    output: &Output,
    wanted: ResolveReturnRequest,
) -> Result<(), Failure> {
    let orders = at.order().await?;
    let resolved = session
        .change(&wanted.request_id, async || {
            orders.clone().resolve_return(session.sign(wanted.clone())).await
        })
        .await?;
    output.answer(&resolved, details);
    Ok(())
}

pub(crate) fn details(given: &Return) -> String {
    let restocked = if given.restocked { "yes" } else { "" };
    output::facts(&[
        ("Return", given.return_id.clone()),
        ("Order", given.order_id.clone()),
        ("Shop", given.shop_id.clone()),
        ("State", state(given)),
        ("Copies", copies(given)),
        ("Amount", output::money(given.amount.as_ref())),
        ("Why", given.reason.clone()),
        ("Answer", given.answer.clone()),
        ("Back on the shelf", restocked.to_owned()),
    ])
}

fn state(given: &Return) -> String {
    output::word(given.state().as_str_name(), "RETURN_STATE_")
}

fn copies(given: &Return) -> String {
    given.items.iter().map(|item| item.quantity).sum::<i32>().to_string()
}
