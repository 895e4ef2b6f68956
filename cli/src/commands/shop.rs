//! `shop …`: shops for everybody to see, and for those who work in them.

mod members;
mod ours;
pub(crate) mod returns;
mod rooms;
pub(crate) mod shipments;

use clap::{Args, Subcommand};
use proto::inventory::v1::{GetShopRequest, ListShopsRequest, ListShopsResponse, Shop as Found};

use crate::{
    failure::Failure,
    gateway::Gateway,
    output::{self, Output},
    paging::{self, Paging},
    request,
    session::Session,
};
pub(crate) use ours::or_only;

#[derive(Subcommand)]
pub(crate) enum Shop {
    /// Open a shop; you own it
    Register(ours::Register),
    /// List the shops, by name
    List(List),
    /// Show a shop
    #[command(after_long_help = "Example:\n  bookstore shop show shp_…")]
    Show(Which),
    /// List the shops that you work in
    Mine(ours::Mine),
    /// Change what your shop is called, or where it is
    Update(ours::Update),
    /// List who works in your shop
    Members(members::List),
    /// Let somebody work in your shop, or change what they are there
    AddMember(members::Add),
    /// End somebody's work in your shop, or your own
    RemoveMember(members::Remove),
    /// List the stock rooms of your shop
    Locations(rooms::List),
    /// Open another stock room
    AddLocation(rooms::Add),
    /// List what your shop has to send and has sent, the oldest first
    Shipments(shipments::List),
    /// List what customers want to return to your shop
    Returns(returns::List),
    /// Take books back; what they cost is given back
    AcceptReturn(returns::Accept),
    /// Do not take books back
    RejectReturn(returns::Reject),
}

#[derive(Args)]
#[command(after_long_help = "Example:\n  bookstore shop list --city Leipzig")]
pub(crate) struct List {
    /// Only those in this city
    #[arg(long, default_value = "")]
    city: String,
    #[command(flatten)]
    paging: Paging,
}

#[derive(Args)]
pub(crate) struct Which {
    /// Which shop: shp_…
    shop: String,
}

impl Shop {
    pub(crate) async fn run(self, at: &Gateway, output: &Output) -> Result<(), Failure> {
        match self {
            Self::List(list) => return list.run(at, output).await,
            Self::Show(which) => return which.show(at, output).await,
            _ => {}
        }
        let session = Session::open(at, output).await?;
        match self {
            Self::Register(register) => register.run(at, &session, output).await,
            Self::List(list) => list.run(at, output).await,
            Self::Show(which) => which.show(at, output).await,
            Self::Mine(mine) => mine.run(at, &session, output).await,
            Self::Update(update) => update.run(at, &session, output).await,
            Self::Members(list) => list.run(at, &session, output).await,
            Self::AddMember(add) => add.run(at, &session, output).await,
            Self::RemoveMember(remove) => remove.run(at, &session, output).await,
            Self::Locations(list) => list.run(at, &session, output).await,
            Self::AddLocation(add) => add.run(at, &session, output).await,
            Self::Shipments(list) => list.run(at, &session, output).await,
            Self::Returns(list) => list.run(at, &session, output).await,
            Self::AcceptReturn(accept) => accept.run(at, &session, output).await,
            Self::RejectReturn(reject) => reject.run(at, &session, output).await,
        }
    }
}

impl List {
    async fn run(self, at: &Gateway, output: &Output) -> Result<(), Failure> {
        let inventory = at.inventory().await?;
        let fetch = async |page_size, page_token: String| {
            let page = request::repeat(async || {
                let request =
                    ListShopsRequest { page_size, page_token: page_token.clone(), city: self.city.clone() };
                inventory.clone().list_shops(request).await
            });
            page.await.map(|page| (page.shops, page.next_page_token))
        };
        let (shops, next_page_token) = self.paging.part(fetch).await?;
        let answer = ListShopsResponse { shops, next_page_token };
        output.answer(&answer, |answer| {
            if answer.shops.is_empty() {
                return "No shop here.".to_owned();
            }
            let row = |shop: &Found| vec![shop.shop_id.clone(), shop.name.clone(), shop.city.clone()];
            output::table(&["SHOP", "NAME", "CITY"], answer.shops.iter().map(row))
        });
        paging::hint_at(&answer.next_page_token, output);
        Ok(())
    }
}

impl Which {
    async fn show(self, at: &Gateway, output: &Output) -> Result<(), Failure> {
        let inventory = at.inventory().await?;
        let shop = request::repeat(async || {
            inventory.clone().get_shop(GetShopRequest { shop_id: self.shop.clone() }).await
        })
        .await?;
        output.answer(&shop, details);
        Ok(())
    }
}

fn details(shop: &Found) -> String {
    let locations: Vec<_> = shop
        .locations
        .iter()
        .map(|location| format!("{} ({})", location.name, location.location_id))
        .collect();
    let mut facts =
        vec![("Shop", shop.shop_id.clone()), ("Name", shop.name.clone()), ("City", shop.city.clone())];
    // Told only to those who work there.
    if !locations.is_empty() {
        facts.push(("Stock lies in", locations.join(", ")));
    }
    output::facts(&facts)
}
