//! `order list --everybody`: all orders, for those who run the shop.

use clap::Args;
use proto::order::v1::{
    CancelReason, ListOrdersRequest, ListOrdersResponse, OrderState, PaymentState, StockState,
};

use super::print;
use crate::{
    choice,
    failure::Failure,
    gateway::Gateway,
    output::Output,
    paging::{self, Paging},
    session::Session,
};

/// Which of everybody's orders.
#[derive(Args)]
#[command(next_help_heading = "For those who run the shop")]
pub(super) struct Everybody {
    /// List everybody's orders
    #[arg(long = "everybody", id = "everybody")]
    is_wanted: bool,
    /// Only those that stand there
    #[arg(long, requires = "everybody", value_parser = choice::parser("ORDER_STATE_", OrderState::as_str_name))]
    state: Option<OrderState>,
    /// Only those cancelled for this reason
    #[arg(long, requires = "everybody", value_parser = choice::parser("CANCEL_REASON_", CancelReason::as_str_name))]
    reason: Option<CancelReason>,
    /// Only those with this payment state
    #[arg(long, requires = "everybody", value_parser = choice::parser("PAYMENT_STATE_", PaymentState::as_str_name))]
    payment: Option<PaymentState>,
    /// Only those with this stock state
    #[arg(long, requires = "everybody", value_parser = choice::parser("STOCK_STATE_", StockState::as_str_name))]
    stock: Option<StockState>,
    /// Only those of this customer: usr_…
    #[arg(long, requires = "everybody", default_value = "")]
    user: String,
}

impl Everybody {
    /// Whether it is everybody's orders that are wanted.
    pub(super) const fn is_wanted(&self) -> bool {
        self.is_wanted
    }

    pub(super) async fn list(
        self,
        at: &Gateway,
        session: &Session<'_>,
        output: &Output,
        paging: &Paging,
    ) -> Result<(), Failure> {
        let orders = at.order().await?;
        let fetch = async |page_size, page_token: String| {
            let page = session.ask(async || {
                let request = ListOrdersRequest {
                    page_size,
                    page_token: page_token.clone(),
                    state: self.state.unwrap_or_default().into(),
                    cancel_reason: self.reason.unwrap_or_default().into(),
                    payment_state: self.payment.unwrap_or_default().into(),
                    stock_state: self.stock.unwrap_or_default().into(),
                    user_id: self.user.clone(),
                };
                orders.clone().list_orders(session.sign(request)).await
            });
            page.await.map(|page| (page.orders, page.next_page_token))
        };
        let (orders, next_page_token) = paging.part(fetch).await?;
        let answer = ListOrdersResponse { orders, next_page_token };
        output.answer(&answer, |answer| print::everybody(&answer.orders));
        paging::hint_at(&answer.next_page_token, output);
        Ok(())
    }
}
