//! `shop shipments`.

use clap::Args;
use proto::order::v1::{
    ListShipmentsRequest, ListShipmentsResponse, OrderLine, Shipment, ShipmentState, ShippingAddress,
};

use super::or_only;
use crate::{
    choice,
    failure::Failure,
    gateway::Gateway,
    output::{self, Output},
    paging::{self, Paging},
    session::Session,
};

#[derive(Args)]
#[command(
    after_long_help = "Examples:\n  bookstore shop shipments --state ready\n  bookstore shop shipments --state shipped --all --output json | jq -r '.shipments[].tracking_number'"
)]
pub(crate) struct List {
    /// Which shop, shp_…; your only one if not given
    shop: Option<String>,
    /// Only those that stand there
    #[arg(long, value_parser = choice::parser("SHIPMENT_STATE_", ShipmentState::as_str_name))]
    state: Option<ShipmentState>,
    #[command(flatten)]
    paging: Paging,
}

impl List {
    pub(crate) async fn run(
        self,
        at: &Gateway,
        session: &Session<'_>,
        output: &Output,
    ) -> Result<(), Failure> {
        let shop_id = or_only(at, session, self.shop).await?;
        let orders = at.order().await?;
        let fetch = async |page_size, page_token: String| {
            let page = session.ask(async || {
                let request = ListShipmentsRequest {
                    page_size,
                    page_token: page_token.clone(),
                    shop_id: shop_id.clone(),
                    state: self.state.unwrap_or_default().into(),
                };
                orders.clone().list_shipments(session.sign(request)).await
            });
            page.await.map(|page| (page.shipments, page.next_page_token))
        };
        let (shipments, next_page_token) = self.paging.part(fetch).await?;
        let answer = ListShipmentsResponse { shipments, next_page_token };
        output.answer(&answer, |answer| {
            if answer.shipments.is_empty() {
                return "Nothing to send here.".to_owned();
            }
            let row = |shipment: &Shipment| {
                vec![
                    shipment.order_id.clone(),
                    output::time(shipment.create_time.as_ref()),
                    state(shipment),
                    contents(&shipment.lines),
                    to(shipment.shipping_address.as_ref()),
                    shipment.tracking_number.clone(),
                ]
            };
            let heading = ["ORDER", "SINCE", "STATE", "WHAT", "TO", "TRACKING NUMBER"];
            output::table(&heading, answer.shipments.iter().map(row))
        });
        paging::hint_at(&answer.next_page_token, output);
        Ok(())
    }
}

pub(crate) fn details(shipment: &Shipment) -> String {
    output::facts(&[
        ("Order", shipment.order_id.clone()),
        ("Shop", shipment.shop_id.clone()),
        ("State", state(shipment)),
        ("What", contents(&shipment.lines)),
        ("To", to(shipment.shipping_address.as_ref())),
        ("Tracking number", shipment.tracking_number.clone()),
        ("Carrier", shipment.carrier.clone()),
        ("Sent", output::time(shipment.ship_time.as_ref())),
        ("Arrived", output::time(shipment.deliver_time.as_ref())),
    ])
}

fn state(shipment: &Shipment) -> String {
    output::word(shipment.state().as_str_name(), "SHIPMENT_STATE_")
}

/// `2 × Dune, 1 × Emma`.
fn contents(lines: &[OrderLine]) -> String {
    let lines: Vec<_> = lines.iter().map(|line| format!("{} × {}", line.quantity, line.title)).collect();
    lines.join(", ")
}

/// As it stands on a parcel, in one line.
fn to(address: Option<&ShippingAddress>) -> String {
    let Some(address) = address else { return String::new() };
    let mut parts = vec![address.recipient.clone()];
    parts.extend(address.lines.clone());
    parts.extend([
        format!("{} {}", address.postal_code, address.city),
        address.region.clone(),
        address.country_code.clone(),
    ]);
    let parts: Vec<_> = parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()).collect();
    parts.join(", ")
}
