//! `stock set|show`.

use clap::{Args, Subcommand};
use proto::inventory::v1::{AdjustStockRequest, GetStockRequest, StockLevel, adjust_stock_request::Change};

use crate::{
    failure::Failure,
    gateway::Gateway,
    output::{self, Output},
    request::{self, RequestId},
    session::Session,
};

#[derive(Subcommand)]
pub(crate) enum Stock {
    /// Say how many copies you counted on the shelf
    Set(Set),
    /// Show the stock of an offer in each location
    Show(Show),
}

#[derive(Args)]
#[command(after_long_help = "Example:\n  bookstore stock set ofr_… 12 --reason 'yearly count'")]
pub(crate) struct Set {
    /// Which offer: ofr_…
    offer: String,
    /// Copies on the shelf, those set aside for orders among them
    on_hand: i32,
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
#[command(after_long_help = "Example:\n  bookstore stock show ofr_…")]
pub(crate) struct Show {
    /// Which offer: ofr_…
    offer: String,
}

impl Stock {
    pub(crate) async fn run(self, at: &Gateway, output: &Output) -> Result<(), Failure> {
        let session = Session::load()?;
        match self {
            Self::Set(set) => set.run(at, &session, output).await,
            Self::Show(show) => {
                let inventory = at.inventory().await?;
                let stock = request::repeat(async || {
                    inventory
                        .clone()
                        .get_stock(session.sign(GetStockRequest { offer_id: show.offer.clone() }))
                        .await
                })
                .await?;
                output.answer(&stock, |stock| levels(&stock.levels));
                Ok(())
            }
        }
    }
}

impl Set {
    async fn run(self, at: &Gateway, session: &Session, output: &Output) -> Result<(), Failure> {
        let request_id = self.request_id.or_new();
        let wanted = AdjustStockRequest {
            request_id: request_id.clone(),
            offer_id: self.offer,
            location_id: self.location,
            change: Some(Change::OnHand(self.on_hand)),
            reason: self.reason,
        };
        let inventory = at.inventory().await?;
        let level = request::change(&request_id, async || {
            inventory.clone().adjust_stock(session.sign(wanted.clone())).await
        })
        .await?;
        output.answer(&level, |level| levels(std::slice::from_ref(level)));
        Ok(())
    }
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
