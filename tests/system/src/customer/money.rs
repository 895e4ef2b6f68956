use anyhow::{Context, Result};
use proto::payment::v1::{
    AddCardRequest, Card, GetBalanceRequest, GetPaymentRequest, LedgerEntry, Payment, PaymentState, Refund,
    RefundPaymentRequest, TopUpRequest, get_payment_request,
};
use testkit::eventually;
use tonic::{Code, Status};

use super::{Customer, END, euros, new_request_id};

/// A card that always pays.
const GOOD_CARD: &str = "tok_visa";

impl Customer {
    /// Keeps a card, by what the simulated gateway calls it.
    pub async fn add_card(&self, token: &str) -> Result<Card> {
        let request = AddCardRequest { request_id: new_request_id(), token: token.to_owned() };
        let call = async |request| self.clients.payment().add_card(request).await;
        self.ask(request, call).await?.with_context(|| format!("AddCard {token}"))
    }

    /// Puts money into the wallet, from a new card.
    pub async fn top_up(&self, minor_units: i64) -> Result<()> {
        let card = self.add_card(GOOD_CARD).await?;
        self.try_top_up(minor_units, &card.card_id).await?.context("TopUp")?;
        Ok(())
    }

    /// Puts money into the wallet; says what the shop said.
    pub async fn try_top_up(&self, minor_units: i64, card_id: &str) -> Result<Result<LedgerEntry, Status>> {
        let request = TopUpRequest {
            request_id: new_request_id(),
            amount: Some(euros(minor_units)),
            card_id: card_id.to_owned(),
        };
        self.ask(request, async |request| self.clients.payment().top_up(request).await).await
    }

    /// What the wallet holds.
    pub async fn balance(&self) -> Result<i64> {
        let request = GetBalanceRequest { currency_code: String::new() };
        let call = async |request| self.clients.payment().get_balance(request).await;
        let balance = self.ask(request, call).await?.context("GetBalance")?;
        Ok(balance.balance.context("no balance")?.minor_units)
    }

    /// Waits until the wallet holds so much.
    pub async fn balance_becomes(&self, minor_units: i64) -> Result<()> {
        eventually(&format!("a balance of {minor_units}"), END, async || {
            self.balance().await.is_ok_and(|balance| balance == minor_units).then_some(())
        })
        .await
    }

    /// The payment of an order; `None` if there is none.
    pub async fn payment(&self, order_id: &str) -> Result<Option<Payment>> {
        let payment = Some(get_payment_request::Payment::OrderId(order_id.to_owned()));
        let call = async |request| self.clients.payment().get_payment(request).await;
        match self.ask(GetPaymentRequest { payment }, call).await? {
            Ok(payment) => Ok(Some(payment)),
            Err(status) if status.code() == Code::NotFound => Ok(None),
            Err(status) => Err(status).context("GetPayment"),
        }
    }

    /// As staff: gives money back; says what the shop said.
    pub async fn try_refund(&self, payment_id: &str, minor_units: i64) -> Result<Result<Refund, Status>> {
        let request = RefundPaymentRequest {
            request_id: new_request_id(),
            payment_id: payment_id.to_owned(),
            amount: Some(euros(minor_units)),
            note: String::new(),
        };
        self.ask(request, async |request| self.clients.payment().refund_payment(request).await).await
    }

    /// Waits until so much of an order has been given back, as the order knows.
    pub async fn refunded_becomes(&self, order_id: &str, minor_units: i64) -> Result<()> {
        eventually(&format!("{minor_units} of {order_id} are given back"), END, async || {
            let order = self.order(order_id).await.ok()?;
            (order.refunded.as_ref().map_or(0, |money| money.minor_units) == minor_units).then_some(())
        })
        .await
    }

    /// Waits until the payment of an order stands so.
    pub async fn payment_becomes(&self, order_id: &str, state: PaymentState) -> Result<Payment> {
        eventually(&format!("the payment of {order_id} is {state:?}"), END, async || {
            self.payment(order_id).await.ok().flatten().filter(|payment| payment.state() == state)
        })
        .await
    }
}
