//! `mail list`.

use clap::{Args, Subcommand};
use proto::notification::v1::{Delivery, DeliveryState, ListDeliveriesRequest, ListDeliveriesResponse};

use crate::{
    choice,
    failure::Failure,
    gateway::Gateway,
    output::{self, Output},
    paging::{self, Paging},
    session::Session,
};

#[derive(Subcommand)]
pub(crate) enum Mail {
    /// List what was sent and what is to be sent, the newest first, without addresses and texts
    List(List),
}

#[derive(Args)]
#[command(
    after_long_help = "Examples:\n  bookstore mail list --state failed\n  bookstore mail list --user usr_… --all"
)]
pub(crate) struct List {
    /// Only those that stand there
    #[arg(long, value_parser = choice::parser("DELIVERY_STATE_", DeliveryState::as_str_name))]
    state: Option<DeliveryState>,
    /// Only those to this user: usr_…
    #[arg(long, default_value = "")]
    user: String,
    #[command(flatten)]
    paging: Paging,
}

impl Mail {
    pub(crate) async fn run(self, at: &Gateway, output: &Output) -> Result<(), Failure> {
        let Self::List(list) = self;
        let session = Session::open(at, output).await?;
        let notification = at.notification().await?;
        let fetch = async |page_size, page_token: String| {
            let page = session.ask(async || {
                let request = ListDeliveriesRequest {
                    page_size,
                    page_token: page_token.clone(),
                    user_id: list.user.clone(),
                    state: list.state.unwrap_or_default().into(),
                };
                notification.clone().list_deliveries(session.sign(request)).await
            });
            page.await.map(|page| (page.deliveries, page.next_page_token))
        };
        let (deliveries, next_page_token) = list.paging.part(fetch).await?;
        let answer = ListDeliveriesResponse { deliveries, next_page_token };
        output.answer(&answer, |answer| {
            if answer.deliveries.is_empty() {
                return "No e-mail here.".to_owned();
            }
            let heading = ["WHEN", "ABOUT", "OF", "TO", "STATE", "ATTEMPTS", "WHAT WENT WRONG"];
            output::table(&heading, answer.deliveries.iter().map(row))
        });
        paging::hint_at(&answer.next_page_token, output);
        Ok(())
    }
}

fn row(delivery: &Delivery) -> Vec<String> {
    vec![
        output::time(delivery.create_time.as_ref()),
        delivery.subject.strip_prefix("bookstore.").unwrap_or(&delivery.subject).replace(".v1.", " "),
        delivery.aggregate_id.clone(),
        delivery.user_id.clone(),
        output::word(delivery.state().as_str_name(), "DELIVERY_STATE_"),
        delivery.attempts.to_string(),
        delivery.last_error.clone(),
    ]
}
