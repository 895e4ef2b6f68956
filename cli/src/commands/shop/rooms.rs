//! `shop locations|add-location`.

use clap::Args;
use proto::inventory::v1::{CreateLocationRequest, ListLocationsRequest, ListLocationsResponse, Location};

use super::or_only;
use crate::{
    failure::Failure,
    gateway::Gateway,
    output::{self, Output},
    paging::{self, Paging},
    request::RequestId,
    session::Session,
};

#[derive(Args)]
#[command(after_long_help = "Example:\n  bookstore shop locations")]
pub(crate) struct List {
    /// Which shop, shp_…; your only one if not given
    shop: Option<String>,
    #[command(flatten)]
    paging: Paging,
}

#[derive(Args)]
#[command(after_long_help = "Example:\n  bookstore shop add-location 'The cellar'")]
pub(crate) struct Add {
    /// What you call it
    name: String,
    /// Of which shop, shp_…; your only one if not given
    #[arg(long)]
    shop: Option<String>,
    #[command(flatten)]
    request_id: RequestId,
}

impl List {
    pub(crate) async fn run(
        self,
        at: &Gateway,
        session: &Session<'_>,
        output: &Output,
    ) -> Result<(), Failure> {
        let shop_id = or_only(at, session, self.shop).await?;
        let inventory = at.inventory().await?;
        let fetch = async |page_size, page_token: String| {
            let page = session.ask(async || {
                let request = ListLocationsRequest {
                    page_size,
                    page_token: page_token.clone(),
                    shop_id: shop_id.clone(),
                };
                inventory.clone().list_locations(session.sign(request)).await
            });
            page.await.map(|page| (page.locations, page.next_page_token))
        };
        let (locations, next_page_token) = self.paging.part(fetch).await?;
        let answer = ListLocationsResponse { locations, next_page_token };
        output
            .answer(&answer, |answer| output::table(&["LOCATION", "NAME"], answer.locations.iter().map(row)));
        paging::hint_at(&answer.next_page_token, output);
        Ok(())
    }
}

impl Add {
    pub(crate) async fn run(
        self,
        at: &Gateway,
        session: &Session<'_>,
        output: &Output,
    ) -> Result<(), Failure> {
        let request_id = self.request_id.or_new();
        let wanted = CreateLocationRequest {
            request_id: request_id.clone(),
            shop_id: or_only(at, session, self.shop).await?,
            name: self.name,
        };
        let inventory = at.inventory().await?;
        let location = session
            .change(&request_id, async || {
                inventory.clone().create_location(session.sign(wanted.clone())).await
            })
            .await?;
        output.answer(&location, |location| output::table(&["LOCATION", "NAME"], [row(location)]));
        Ok(())
    }
}

fn row(location: &Location) -> Vec<String> {
    vec![location.location_id.clone(), location.name.clone()]
}
