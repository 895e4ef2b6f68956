//! `payment list|show|refund|process`.

use clap::{Args, Subcommand};
use proto::payment::v1::{
    self as pb, FailureReason, GetPaymentRequest, ListPaymentsRequest, ListPaymentsResponse, PaymentState,
    PayoutState, ProcessPaymentRequest, Refund, RefundCause, RefundPaymentRequest, get_payment_request,
};

use crate::{
    choice,
    commands::wallet::parse_money,
    failure::Failure,
    gateway::Gateway,
    output::{self, Output},
    paging::{self, Paging},
    request::RequestId,
    session::Session,
};

#[derive(Subcommand)]
pub(crate) enum Payment {
    /// List payments, the newest first: yours, or for those who run the shop everybody's
    List(List),
    /// Show a payment, and what of it was given back
    #[command(
        after_long_help = "Examples:\n  bookstore payment show ord_…\n  bookstore payment show pay_… --output json | jq .refunds"
    )]
    Show(Which),
    /// For those who run the shop: give money back, whole or in part; the order stays as it is
    Refund(GiveBack),
    /// For those who run the shop: ask the card gateway now what became of a payment under way, and go on from there
    #[command(after_long_help = "Example:\n  bookstore payment process pay_…")]
    Process(Which),
}

#[derive(Args)]
#[command(
    after_long_help = "Examples:\n  bookstore payment list\n  bookstore payment list --state pending --user usr_…"
)]
pub(crate) struct List {
    /// Only those that stand there
    #[arg(long, value_parser = choice::parser("PAYMENT_STATE_", PaymentState::as_str_name))]
    state: Option<PaymentState>,
    /// Only those of this customer: usr_…
    #[arg(long, default_value = "")]
    user: String,
    #[command(flatten)]
    paging: Paging,
}

#[derive(Args)]
pub(crate) struct Which {
    /// Which payment: pay_…, or its order: ord_…
    payment: String,
}

#[derive(Args)]
#[command(
    after_long_help = "Examples:\n  bookstore payment refund pay_… --amount '5.00 EUR' --note 'arrived with a dent'\n  bookstore payment refund ord_…"
)]
pub(crate) struct GiveBack {
    #[command(flatten)]
    which: Which,
    /// How much: '5.00 EUR'; all that is left if not given
    #[arg(long)]
    amount: Option<String>,
    /// Why, for the books
    #[arg(long, default_value = "")]
    note: String,
    #[command(flatten)]
    request_id: RequestId,
}

impl Payment {
    pub(crate) async fn run(self, at: &Gateway, output: &Output) -> Result<(), Failure> {
        let session = Session::open(at, output).await?;
        match self {
            Self::List(list) => list.run(at, &session, output).await,
            Self::Show(which) => {
                output.answer(&which.find(at, &session).await?, details);
                Ok(())
            }
            Self::Refund(give_back) => give_back.run(at, &session, output).await,
            Self::Process(which) => which.process(at, &session, output).await,
        }
    }
}

impl List {
    async fn run(self, at: &Gateway, session: &Session<'_>, output: &Output) -> Result<(), Failure> {
        let payment = at.payment().await?;
        let fetch = async |page_size, page_token: String| {
            let page = session.ask(async || {
                let request = ListPaymentsRequest {
                    page_size,
                    page_token: page_token.clone(),
                    user_id: self.user.clone(),
                    state: self.state.unwrap_or_default().into(),
                };
                payment.clone().list_payments(session.sign(request)).await
            });
            page.await.map(|page| (page.payments, page.next_page_token))
        };
        let (payments, next_page_token) = self.paging.part(fetch).await?;
        let answer = ListPaymentsResponse { payments, next_page_token };
        output.answer(&answer, |answer| {
            if answer.payments.is_empty() {
                return "No payment here.".to_owned();
            }
            let heading = ["PAYMENT", "ORDER", "WHEN", "STATE", "AMOUNT", "GIVEN BACK"];
            output::table(&heading, answer.payments.iter().map(row))
        });
        paging::hint_at(&answer.next_page_token, output);
        Ok(())
    }
}

impl Which {
    async fn find(&self, at: &Gateway, session: &Session<'_>) -> Result<pb::Payment, Failure> {
        let payment = at.payment().await?;
        let id = self.payment.clone();
        let which = if id.starts_with("ord_") {
            get_payment_request::Payment::OrderId(id)
        } else {
            get_payment_request::Payment::PaymentId(id)
        };
        session
            .ask(async || {
                let request = GetPaymentRequest { payment: Some(which.clone()) };
                payment.clone().get_payment(session.sign(request)).await
            })
            .await
    }

    /// Asks only if the order is what is known of it.
    async fn payment_id(&self, at: &Gateway, session: &Session<'_>) -> Result<String, Failure> {
        if self.payment.starts_with("ord_") {
            return Ok(self.find(at, session).await?.payment_id);
        }
        Ok(self.payment.clone())
    }

    async fn process(self, at: &Gateway, session: &Session<'_>, output: &Output) -> Result<(), Failure> {
        let wanted = ProcessPaymentRequest { payment_id: self.payment_id(at, session).await? };
        let payment = at.payment().await?;
        let processed = session
            .change_again(async || payment.clone().process_payment(session.sign(wanted.clone())).await)
            .await?;
        output.answer(&processed, details);
        Ok(())
    }
}

impl GiveBack {
    async fn run(self, at: &Gateway, session: &Session<'_>, output: &Output) -> Result<(), Failure> {
        let amount = self.amount.as_deref().map(parse_money).transpose()?;
        let request_id = self.request_id.or_new();
        let wanted = RefundPaymentRequest {
            request_id: request_id.clone(),
            payment_id: self.which.payment_id(at, session).await?,
            amount,
            note: self.note,
        };
        let payment = at.payment().await?;
        let refund = session
            .change(&request_id, async || payment.clone().refund_payment(session.sign(wanted.clone())).await)
            .await?;
        output.answer(&refund, |refund| {
            output::facts(&[
                ("Refund", refund.refund_id.clone()),
                ("Payment", refund.payment_id.clone()),
                ("State", output::word(refund.state().as_str_name(), "PAYOUT_STATE_")),
                ("Amount", output::money(refund.amount.as_ref())),
                ("Note", refund.note.clone()),
            ])
        });
        Ok(())
    }
}

fn row(payment: &pb::Payment) -> Vec<String> {
    vec![
        payment.payment_id.clone(),
        payment.order_id.clone(),
        output::time(payment.create_time.as_ref()),
        state(payment),
        output::money(payment.amount.as_ref()),
        output::money(payment.refunded.as_ref()),
    ]
}

/// `FAILED (card declined)`.
fn state(payment: &pb::Payment) -> String {
    let state = output::word(payment.state().as_str_name(), "PAYMENT_STATE_");
    let reason = reason(payment.failure_reason());
    if reason.is_empty() { state } else { format!("{state} ({reason})") }
}

/// Why a payment failed, in words; empty if it didn't.
pub(crate) fn reason(reason: FailureReason) -> String {
    choice::word(reason.as_str_name(), "FAILURE_REASON_")
}

fn details(payment: &pb::Payment) -> String {
    let facts = output::facts(&[
        ("Payment", payment.payment_id.clone()),
        ("Order", payment.order_id.clone()),
        ("Customer", payment.user_id.clone()),
        ("State", state(payment)),
        ("Amount", output::money(payment.amount.as_ref())),
        ("Given back", output::money(payment.refunded.as_ref())),
        ("Card", payment.card_id.clone()),
        ("Began", output::time(payment.create_time.as_ref())),
        ("Changed", output::time(payment.update_time.as_ref())),
    ]);
    if payment.refunds.is_empty() {
        return facts;
    }
    let row = |refund: &Refund| {
        vec![
            refund.refund_id.clone(),
            output::time(refund.create_time.as_ref()),
            choice::word(RefundCause::as_str_name(&refund.cause()), "REFUND_CAUSE_"),
            output::money(refund.amount.as_ref()),
            output::word(PayoutState::as_str_name(&refund.state()), "PAYOUT_STATE_"),
            refund.note.clone(),
        ]
    };
    let heading = ["REFUND", "WHEN", "WHY", "AMOUNT", "STATE", "NOTE"];
    format!("{facts}\n\n{}", output::table(&heading, payment.refunds.iter().map(row)))
}
