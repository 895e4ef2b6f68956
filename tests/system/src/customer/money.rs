use anyhow::{Context, Result};
use proto::payment::v1::{
    AddCardRequest, Card, GetBalanceRequest, GetPaymentRequest, LedgerEntry, Payment, PaymentState, Refund,
    RefundPaymentRequest, TopUpRequest, get_payment_request,
};
use testkit::eventually;
use tonic::{Code, Status};

use super::{Customer, END, answered, euros, new_request_id};

/// A card that always pays.
const GOOD_CARD: &str = "tok_visa";

impl Customer {
    /// Keeps a card, by what the simulated gateway calls it.
    pub async fn add_card(&self, token: &str) -> Result<Card> {
        let request = AddCardRequest { request_id: new_request_id(), token: token.to_owned() };
        answered(&format!("AddCard {token}"), async || {
            let answer = self.clients.payment().add_card(self.request(request.clone())?).await;
            Ok(answer.map(tonic::Response::into_inner))
        })
        .await
    }

    /// Puts money into the wallet, from a new card, trying again while the shop is broken or busy.
    pub async fn top_up(&self, minor_units: i64) -> Result<()> {
        let card = self.add_card(GOOD_CARD).await?;
        let request = Self::top_up_of(minor_units, &card.card_id);
        answered("TopUp", async || {
            let answer = self.clients.payment().top_up(self.request(request.clone())?).await;
            Ok(answer.map(tonic::Response::into_inner))
        })
        .await?;
        Ok(())
    }

    /// Puts money into the wallet; says what the shop said.
    pub async fn try_top_up(&self, minor_units: i64, card_id: &str) -> Result<Result<LedgerEntry, Status>> {
        let request = Self::top_up_of(minor_units, card_id);
        let answer = self.clients.payment().top_up(self.request(request)?).await;
        Ok(answer.map(tonic::Response::into_inner))
    }

    fn top_up_of(minor_units: i64, card_id: &str) -> TopUpRequest {
        TopUpRequest {
            request_id: new_request_id(),
            amount: Some(euros(minor_units)),
            card_id: card_id.to_owned(),
        }
    }

    /// What the wallet holds.
    pub async fn balance(&self) -> Result<i64> {
        let request = self.request(GetBalanceRequest { currency_code: String::new() })?;
        let balance = self.clients.payment().get_balance(request).await.context("GetBalance")?.into_inner();
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
        let request = self.request(GetPaymentRequest { payment })?;
        match self.clients.payment().get_payment(request).await {
            Ok(payment) => Ok(Some(payment.into_inner())),
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
        let answer = self.clients.payment().refund_payment(self.request(request)?).await;
        Ok(answer.map(tonic::Response::into_inner))
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
