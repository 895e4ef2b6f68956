//! `wallet balance|top-up|withdraw|entries`.

use clap::{Args, Subcommand};
use proto::{
    payment::v1::{
        GetBalanceRequest, LedgerEntry, ListLedgerEntriesRequest, ListLedgerEntriesResponse, TopUpRequest,
        WithdrawRequest,
    },
    types::v1::Money,
};

use crate::{
    failure::Failure,
    gateway::Gateway,
    output::{self, Output},
    paging::{self, Paging},
    request::RequestId,
    session::Session,
};

#[derive(Subcommand)]
pub(crate) enum Wallet {
    /// What it holds
    Balance(Balance),
    /// Put money in, from a card
    TopUp(TopUp),
    /// Take money out, to a card
    Withdraw(Withdraw),
    /// What went in and out, the newest first
    Entries(Entries),
}

#[derive(Args)]
#[command(after_long_help = "Example:\n  bookstore wallet balance")]
pub(crate) struct Balance {
    /// Which wallet, by its currency; the shop's own if not given
    #[arg(long, default_value = "")]
    currency: String,
}

#[derive(Args)]
#[command(
    after_long_help = "Examples:\n  bookstore wallet top-up 50.00\n  bookstore wallet top-up 50.00 --currency USD --card crd_…"
)]
pub(crate) struct TopUp {
    /// How much, in the currency's own notation: 50.00
    amount: String,
    /// Which currency
    #[arg(long, default_value = "EUR")]
    currency: String,
    /// From which card, crd_…; the newest if not given
    #[arg(long, default_value = "")]
    card: String,
    #[command(flatten)]
    request_id: RequestId,
}

#[derive(Args)]
#[command(after_long_help = "Example:\n  bookstore wallet withdraw 20.00")]
pub(crate) struct Withdraw {
    /// How much, in the currency's own notation: 20.00
    amount: String,
    /// Which currency
    #[arg(long, default_value = "EUR")]
    currency: String,
    /// To which card, crd_…; the newest if not given
    #[arg(long, default_value = "")]
    card: String,
    #[command(flatten)]
    request_id: RequestId,
}

#[derive(Args)]
#[command(
    after_long_help = "Example:\n  bookstore wallet entries --all --output json | jq '.entries[] | select(.order_id != \"\")'"
)]
pub(crate) struct Entries {
    /// Which wallet, by its currency; the shop's own if not given
    #[arg(long, default_value = "")]
    currency: String,
    #[command(flatten)]
    paging: Paging,
}

impl Wallet {
    pub(crate) async fn run(self, at: &Gateway, output: &Output) -> Result<(), Failure> {
        let session = Session::open(at, output).await?;
        match self {
            Self::Balance(balance) => balance.run(at, &session, output).await,
            Self::TopUp(top_up) => top_up.run(at, &session, output).await,
            Self::Withdraw(withdraw) => withdraw.run(at, &session, output).await,
            Self::Entries(entries) => entries.run(at, &session, output).await,
        }
    }
}

impl Balance {
    async fn run(self, at: &Gateway, session: &Session<'_>, output: &Output) -> Result<(), Failure> {
        let payment = at.payment().await?;
        let balance = session
            .ask(async || {
                let request = GetBalanceRequest { currency_code: self.currency.to_ascii_uppercase() };
                payment.clone().get_balance(session.sign(request)).await
            })
            .await?;
        output.answer(&balance, |balance| output::money(balance.balance.as_ref()));
        Ok(())
    }
}

impl TopUp {
    async fn run(self, at: &Gateway, session: &Session<'_>, output: &Output) -> Result<(), Failure> {
        let amount = parse_money(&format!("{} {}", self.amount, self.currency.to_ascii_uppercase()))?;
        let request_id = self.request_id.or_new();
        let wanted =
            TopUpRequest { request_id: request_id.clone(), amount: Some(amount), card_id: self.card };
        let payment = at.payment().await?;
        let entry = session
            .change(&request_id, async || payment.clone().top_up(session.sign(wanted.clone())).await)
            .await?;
        output.answer(&entry, |entry| {
            format!("{} added to your wallet.", output::money(entry.amount.as_ref()))
        });
        Ok(())
    }
}

impl Withdraw {
    async fn run(self, at: &Gateway, session: &Session<'_>, output: &Output) -> Result<(), Failure> {
        let amount = parse_money(&format!("{} {}", self.amount, self.currency.to_ascii_uppercase()))?;
        let request_id = self.request_id.or_new();
        let wanted =
            WithdrawRequest { request_id: request_id.clone(), amount: Some(amount), card_id: self.card };
        let payment = at.payment().await?;
        let withdrawal = session
            .change(&request_id, async || payment.clone().withdraw(session.sign(wanted.clone())).await)
            .await?;
        output.answer(&withdrawal, |withdrawal| {
            output::facts(&[
                ("Withdrawal", withdrawal.withdrawal_id.clone()),
                ("State", output::word(withdrawal.state().as_str_name(), "PAYOUT_STATE_")),
                ("Amount", output::money(withdrawal.amount.as_ref())),
                ("Card", withdrawal.card_id.clone()),
            ])
        });
        Ok(())
    }
}

impl Entries {
    async fn run(self, at: &Gateway, session: &Session<'_>, output: &Output) -> Result<(), Failure> {
        let payment = at.payment().await?;
        let currency_code = self.currency.to_ascii_uppercase();
        let fetch = async |page_size, page_token: String| {
            let page = session.ask(async || {
                let request = ListLedgerEntriesRequest {
                    page_size,
                    page_token: page_token.clone(),
                    currency_code: currency_code.clone(),
                };
                payment.clone().list_ledger_entries(session.sign(request)).await
            });
            page.await.map(|page| (page.entries, page.next_page_token))
        };
        let (entries, next_page_token) = self.paging.part(fetch).await?;
        let answer = ListLedgerEntriesResponse { entries, next_page_token };
        output.answer(&answer, table);
        paging::hint_at(&answer.next_page_token, output);
        Ok(())
    }
}

fn table(answer: &ListLedgerEntriesResponse) -> String {
    if answer.entries.is_empty() {
        return "Nothing went in or out yet. Add a card, then put money in: bookstore wallet top-up 50.00"
            .to_owned();
    }
    let row = |entry: &LedgerEntry| {
        vec![
            output::time(entry.create_time.as_ref()),
            output::word(entry.kind().as_str_name(), "TRANSFER_KIND_"),
            output::money(entry.amount.as_ref()),
            entry.order_id.clone(),
        ]
    };
    output::table(&["WHEN", "WHAT", "AMOUNT", "ORDER"], answer.entries.iter().map(row))
}

/// `12.50 EUR` in the contract's form.
pub(crate) fn parse_money(text: &str) -> Result<Money, Failure> {
    let money: values::Money = text.parse().map_err(|error| {
        Failure::usage(format!("`{text}` is no amount: {error}; one looks like 12.50 EUR"))
    })?;
    Ok(Money { minor_units: money.minor_units(), currency_code: money.currency().to_string() })
}
