//! `stock set|adjust|show|movements`.

use clap::{Args, Subcommand};
use proto::inventory::v1::{
    AdjustStockRequest, GetStockRequest, ListStockMovementsRequest, ListStockMovementsResponse, StockLevel,
    StockMovement, adjust_stock_request::Change,
};

use crate::{
    choice,
    failure::Failure,
    gateway::Gateway,
    output::{self, Output},
    paging::{self, Paging},
    request::RequestId,
    session::Session,
};

#[derive(Subcommand)]
pub(crate) enum Stock {
    /// Say how many copies you counted on the shelf
    Set(Set),
    /// Say how many copies came in, or went missing
    Adjust(Adjust),
    /// Show the stock of an offer in each location
    #[command(after_long_help = "Example:\n  bookstore stock show ofr_…")]
    Show(Which),
    /// List every change of the stock of an offer, the newest first
    Movements(Movements),
}

#[derive(Args)]
#[command(after_long_help = "Example:\n  bookstore stock set ofr_… 12 --reason 'yearly count'")]
pub(crate) struct Set {
    /// Which offer: ofr_…
    offer: String,
    /// Copies on the shelf, those set aside for orders among them
    on_hand: i32,
    #[command(flatten)]
    place: Place,
}

#[derive(Args)]
#[command(
    after_long_help = "Examples:\n  bookstore stock adjust ofr_… 20 --reason 'delivery of Monday'\n  bookstore stock adjust ofr_… -1 --reason 'fell into the bath'"
)]
pub(crate) struct Adjust {
    /// Which offer: ofr_…
    offer: String,
    /// Copies that came in, or went missing: -1
    #[arg(allow_negative_numbers = true)]
    change: i32,
    #[command(flatten)]
    place: Place,
}

/// Where stock changes, and why.
#[derive(Args)]
struct Place {
    /// Where, loc_…; the shop's first location if not given
    #[arg(long, default_value = "")]
    location: String,
    /// Why, for the books
    #[arg(long, default_value = "")]
    reason: String,
    #[command(flatten)]
    request_id: RequestId,
}

#[derive(Args)]
pub(crate) struct Which {
    /// Which offer: ofr_…
    offer: String,
}

#[derive(Args)]
#[command(after_long_help = "Example:\n  bookstore stock movements ofr_… --limit 5")]
pub(crate) struct Movements {
    /// Which offer: ofr_…
    offer: String,
    /// Only in this location: loc_…
    #[arg(long, default_value = "")]
    location: String,
    #[command(flatten)]
    paging: Paging,
}

impl Stock {
    pub(crate) async fn run(self, at: &Gateway, output: &Output) -> Result<(), Failure> {
        let session = Session::open(at, output).await?;
        match self {
            Self::Set(set) => {
                set.place.change(at, &session, output, set.offer, Change::OnHand(set.on_hand)).await
            }
            Self::Adjust(adjust) => {
                let change = Change::Delta(adjust.change);
                adjust.place.change(at, &session, output, adjust.offer, change).await
            }
            Self::Show(which) => which.show(at, &session, output).await,
            Self::Movements(movements) => movements.run(at, &session, output).await,
        }
    }
}

impl Place {
    async fn change(
        self,
        at: &Gateway,
        session: &Session<'_>,
        output: &Output,
        offer_id: String,
        change: Change,
    ) -> Result<(), Failure> {
        let request_id = self.request_id.or_new();
        let wanted = AdjustStockRequest {
            request_id: request_id.clone(),
            offer_id,
            location_id: self.location,
            change: Some(change),
            reason: self.reason,
        };
        let inventory = at.inventory().await?;
        let level = session
            .change(&request_id, async || inventory.clone().adjust_stock(session.sign(wanted.clone())).await)
            .await?;
        output.answer(&level, |level| levels(std::slice::from_ref(level)));
        Ok(())
    }
}

impl Which {
    async fn show(self, at: &Gateway, session: &Session<'_>, output: &Output) -> Result<(), Failure> {
        let inventory = at.inventory().await?;
        let stock = session
            .ask(async || {
                let request = GetStockRequest { offer_id: self.offer.clone() };
                inventory.clone().get_stock(session.sign(request)).await
            })
            .await?;
        output.answer(&stock, |stock| levels(&stock.levels));
        Ok(())
    }
}

impl Movements {
    async fn run(self, at: &Gateway, session: &Session<'_>, output: &Output) -> Result<(), Failure> {
        let inventory = at.inventory().await?;
        let fetch = async |page_size, page_token: String| {
            let page = session.ask(async || {
                let request = ListStockMovementsRequest {
                    page_size,
                    page_token: page_token.clone(),
                    offer_id: self.offer.clone(),
                    location_id: self.location.clone(),
                };
                inventory.clone().list_stock_movements(session.sign(request)).await
            });
            page.await.map(|page| (page.movements, page.next_page_token))
        };
        let (movements, next_page_token) = self.paging.part(fetch).await?;
        let answer = ListStockMovementsResponse { movements, next_page_token };
        output.answer(&answer, |answer| {
            if answer.movements.is_empty() {
                return "Nothing has moved yet.".to_owned();
            }
            output::table(&["WHEN", "CHANGE", "WHAT", "WHERE", "WHY"], answer.movements.iter().map(row))
        });
        paging::hint_at(&answer.next_page_token, output);
        Ok(())
    }
}

fn row(movement: &StockMovement) -> Vec<String> {
    let why = if movement.reason.is_empty() { &movement.reservation_id } else { &movement.reason };
    vec![
        output::time(movement.create_time.as_ref()),
        format!("{:+}", movement.change),
        choice::word(movement.kind().as_str_name(), "MOVEMENT_KIND_"),
        movement.location_id.clone(),
        why.clone(),
    ]
}

fn levels(levels: &[StockLevel]) -> String {
    let rows = levels.iter().map(|level| {
        vec![
            level.location_name.clone(),
            level.on_hand.to_string(),
            level.reserved.to_string(),
            (level.on_hand - level.reserved).to_string(),
        ]
    });
    output::table(&["LOCATION", "ON HAND", "RESERVED", "FREE"], rows)
}
