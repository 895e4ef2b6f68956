//! `shop register|mine|update`.

use clap::Args;
use proto::inventory::v1::{
    ListMyShopsRequest, ListMyShopsResponse, MyShop, RegisterShopRequest, ShopRole, UpdateShopRequest,
};

use super::details;
use crate::{
    choice, commands,
    failure::Failure,
    gateway::Gateway,
    output::{self, Output},
    paging::{self, Paging},
    request::RequestId,
    session::Session,
};

#[derive(Args)]
#[command(after_long_help = "Example:\n  bookstore shop register --name 'The Corner Bookshop' --city Berlin")]
pub(crate) struct Register {
    /// What the shop is called
    #[arg(long)]
    name: String,
    /// The city it is in
    #[arg(long)]
    city: String,
    #[command(flatten)]
    request_id: RequestId,
}

#[derive(Args)]
#[command(after_long_help = "Example:\n  bookstore shop mine")]
pub(crate) struct Mine {
    #[command(flatten)]
    paging: Paging,
}

#[derive(Args)]
#[command(after_long_help = "Example:\n  bookstore shop update --city Leipzig")]
pub(crate) struct Update {
    /// Which shop, shp_…; your only one if not given
    shop: Option<String>,
    /// What it is called from now on
    #[arg(long, required_unless_present = "city")]
    name: Option<String>,
    /// The city it is in from now on
    #[arg(long)]
    city: Option<String>,
}

impl Register {
    pub(crate) async fn run(
        self,
        at: &Gateway,
        session: &Session<'_>,
        output: &Output,
    ) -> Result<(), Failure> {
        let request_id = self.request_id.or_new();
        let wanted = RegisterShopRequest { request_id: request_id.clone(), name: self.name, city: self.city };
        let inventory = at.inventory().await?;
        let shop = session
            .change(&request_id, async || inventory.clone().register_shop(session.sign(wanted.clone())).await)
            .await?;
        output.answer(&shop, details);
        output.hint("Offer a first book: bookstore books add --help, or many: bookstore books import --help");
        Ok(())
    }
}

impl Mine {
    pub(crate) async fn run(
        self,
        at: &Gateway,
        session: &Session<'_>,
        output: &Output,
    ) -> Result<(), Failure> {
        let (shops, next_page_token) = list(at, session, &self.paging).await?;
        let answer = ListMyShopsResponse { shops, next_page_token };
        output.answer(&answer, |answer| {
            if answer.shops.is_empty() {
                return "You work in no shop. Open one with: bookstore shop register --help".to_owned();
            }
            output::table(&["SHOP", "NAME", "CITY", "YOU ARE"], answer.shops.iter().map(row))
        });
        paging::hint_at(&answer.next_page_token, output);
        Ok(())
    }
}

impl Update {
    pub(crate) async fn run(
        self,
        at: &Gateway,
        session: &Session<'_>,
        output: &Output,
    ) -> Result<(), Failure> {
        let update_mask = commands::mask([("name", self.name.is_some()), ("city", self.city.is_some())]);
        let wanted = UpdateShopRequest {
            shop_id: or_only(at, session, self.shop).await?,
            name: self.name.unwrap_or_default(),
            city: self.city.unwrap_or_default(),
            update_mask,
            etag: String::new(),
        };
        let inventory = at.inventory().await?;
        let shop = session
            .change_again(async || inventory.clone().update_shop(session.sign(wanted.clone())).await)
            .await?;
        output.answer(&shop, details);
        Ok(())
    }
}

/// The shop that was named, or the only one that the caller works in.
pub(crate) async fn or_only(
    at: &Gateway,
    session: &Session<'_>,
    named: Option<String>,
) -> Result<String, Failure> {
    if let Some(shop_id) = named {
        return Ok(shop_id);
    }
    let (shops, _end) = list(at, session, &Paging::everything()).await?;
    let shops: Vec<_> = shops.into_iter().filter_map(|mine| mine.shop).collect();
    match shops.as_slice() {
        [only] => Ok(only.shop_id.clone()),
        [] => Err(Failure::not_possible(
            "you work in no shop yet; open one with: bookstore shop register --help",
        )),
        several => {
            let list: Vec<_> =
                several.iter().map(|shop| format!("\n  {}  {}", shop.shop_id, shop.name)).collect();
            Err(Failure::not_possible(format!("you work in several shops; say which:{}", list.concat())))
        }
    }
}

async fn list(at: &Gateway, session: &Session<'_>, paging: &Paging) -> Result<paging::Part<MyShop>, Failure> {
    let inventory = at.inventory().await?;
    let fetch = async |page_size, page_token: String| {
        let page = session.ask(async || {
            let request = ListMyShopsRequest { page_size, page_token: page_token.clone() };
            inventory.clone().list_my_shops(session.sign(request)).await
        });
        page.await.map(|page| (page.shops, page.next_page_token))
    };
    paging.part(fetch).await
}

fn row(mine: &MyShop) -> Vec<String> {
    let role = choice::word(ShopRole::as_str_name(&mine.role()), "SHOP_ROLE_");
    let shop = mine.shop.clone().unwrap_or_default();
    vec![shop.shop_id, shop.name, shop.city, role]
}
