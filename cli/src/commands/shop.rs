//! `shop register`.

use clap::{Args, Subcommand};
use proto::inventory::v1::RegisterShopRequest;

use crate::{
    failure::Failure,
    gateway::Gateway,
    output::{self, Output},
    request::{self, RequestId},
    session::Session,
};

#[derive(Subcommand)]
pub(crate) enum Shop {
    /// Open a shop; you own it
    Register(Register),
}

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

impl Shop {
    pub(crate) async fn run(self, at: &Gateway, output: &Output) -> Result<(), Failure> {
        let Self::Register(register) = self;
        let session = Session::load()?;
        let request_id = register.request_id.or_new();
        let wanted =
            RegisterShopRequest { request_id: request_id.clone(), name: register.name, city: register.city };
        let inventory = at.inventory().await?;
        let shop = request::change(&request_id, async || {
            inventory.clone().register_shop(session.sign(wanted.clone())).await
        })
        .await?;
        output.answer(&shop, |shop| {
            let locations: Vec<_> = shop
                .locations
                .iter()
                .map(|location| format!("{} ({})", location.name, location.location_id))
                .collect();
            output::facts(&[
                ("Shop", shop.shop_id.clone()),
                ("Name", shop.name.clone()),
                ("City", shop.city.clone()),
                ("Stock lies in", locations.join(", ")),
            ])
        });
        output.hint(&format!("Offer a first book with: bookstore book add --shop {} --help", shop.shop_id));
        Ok(())
    }
}
