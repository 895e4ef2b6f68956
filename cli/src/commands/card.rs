//! `card add|list|remove`.

use clap::{Args, Subcommand};
use proto::payment::v1::{
    self as pb, AddCardRequest, DeleteCardRequest, ListCardsRequest, ListCardsResponse,
};
use serde_json::json;

use crate::{
    failure::Failure,
    gateway::Gateway,
    output::{self, Output},
    paging::{self, Paging},
    request::RequestId,
    session::Session,
    standard_input, typed,
};

#[derive(Subcommand)]
pub(crate) enum Card {
    /// Keep a card to pay with
    Add(Add),
    /// List your cards, the newest first
    List(List),
    /// Forget a card
    #[command(after_long_help = "Example:\n  bookstore card remove crd_…")]
    Remove(Which),
}

#[derive(Args)]
#[command(
    after_long_help = "The shop never sees a card's number: the card gateway gives a token for it. The simulated gateway has one for each thing that can happen, such as tok_visa, tok_declined and tok_insufficient_funds; docs/PAYMENTS.md lists them.\n\nWhat is typed stays in the shell's history, and others on the machine can see it: give the token of a card with money behind it on standard input.\n\nExamples:\n  bookstore card add tok_visa\n  pass show card-token | bookstore card add -"
)]
pub(crate) struct Add {
    /// What the card gateway calls the card, `tok_visa`; - to read it from standard input
    token: String,
    #[command(flatten)]
    request_id: RequestId,
}

#[derive(Args)]
#[command(after_long_help = "Example:\n  bookstore card list")]
pub(crate) struct List {
    #[command(flatten)]
    paging: Paging,
}

#[derive(Args)]
pub(crate) struct Which {
    /// Which card: crd_…
    card: String,
}

impl Card {
    pub(crate) async fn run(self, at: &Gateway, output: &Output) -> Result<(), Failure> {
        let session = Session::open(at, output).await?;
        match self {
            Self::Add(add) => add.run(at, &session, output).await,
            Self::List(list) => list.run(at, &session, output).await,
            Self::Remove(which) => which.remove(at, &session, output).await,
        }
    }
}

impl Add {
    async fn run(self, at: &Gateway, session: &Session<'_>, output: &Output) -> Result<(), Failure> {
        let request_id = self.request_id.or_new();
        let token = if self.token == "-" { standard_input::line("card token")? } else { self.token.clone() };
        let wanted = AddCardRequest { request_id: request_id.clone(), token };
        let payment = at.payment().await?;
        let card = session
            .change(&request_id, async || payment.clone().add_card(session.sign(wanted.clone())).await)
            .await
            .map_err(|failure| {
                failure.repeated_by(typed::again_without(&self.token, "--request-id", &request_id))
            })?;
        output.answer(&card, |card| {
            output::facts(&[
                ("Card", card.card_id.clone()),
                ("Number", number(card)),
                ("Good until", good_until(card)),
            ])
        });
        Ok(())
    }
}

impl List {
    async fn run(self, at: &Gateway, session: &Session<'_>, output: &Output) -> Result<(), Failure> {
        let payment = at.payment().await?;
        let fetch = async |page_size, page_token: String| {
            let page = session.ask(async || {
                let request = ListCardsRequest { page_size, page_token: page_token.clone() };
                payment.clone().list_cards(session.sign(request)).await
            });
            page.await.map(|page| (page.cards, page.next_page_token))
        };
        let (cards, next_page_token) = self.paging.part(fetch).await?;
        let answer = ListCardsResponse { cards, next_page_token };
        output.answer(&answer, |answer| {
            if answer.cards.is_empty() {
                return "No card yet. Add one with: bookstore card add --help".to_owned();
            }
            let row = |card: &pb::Card| vec![card.card_id.clone(), number(card), good_until(card)];
            output::table(&["CARD", "NUMBER", "GOOD UNTIL"], answer.cards.iter().map(row))
        });
        paging::hint_at(&answer.next_page_token, output);
        Ok(())
    }
}

impl Which {
    async fn remove(self, at: &Gateway, session: &Session<'_>, output: &Output) -> Result<(), Failure> {
        let wanted = DeleteCardRequest { card_id: self.card };
        let payment = at.payment().await?;
        session
            .change_again(async || payment.clone().delete_card(session.sign(wanted.clone())).await)
            .await?;
        output.value(&json!({ "removed": true }), "The card is forgotten.");
        Ok(())
    }
}

fn number(card: &pb::Card) -> String {
    format!("{} …{}", card.brand, card.last4)
}

fn good_until(card: &pb::Card) -> String {
    format!("{:02}/{}", card.expire_month, card.expire_year)
}
