//! `address add|list|update|delete|default`.

use clap::{Args, Subcommand};
use proto::identity::v1::{
    self as pb, CreateAddressRequest, DeleteAddressRequest, ListAddressesRequest, ListAddressesResponse,
    SetDefaultAddressRequest, UpdateAddressRequest,
};
use serde_json::json;

use crate::{
    commands,
    failure::Failure,
    gateway::Gateway,
    output::{self, Output},
    paging::Paging,
    request::RequestId,
    session::Session,
};

#[derive(Subcommand)]
pub(crate) enum Address {
    /// Store a delivery address
    Add(Add),
    /// List your addresses, the oldest first
    #[command(after_long_help = "Example:\n  bookstore address list")]
    List,
    /// Change an address; orders that go there and are not shipped yet go to the changed one
    Update(Update),
    /// Delete an address; orders that go there still do
    #[command(after_long_help = "Example:\n  bookstore address delete adr_…")]
    Delete(Which),
    /// Use an address where none is named
    #[command(after_long_help = "Example:\n  bookstore address default adr_…")]
    Default(Which),
}

#[derive(Args)]
pub(crate) struct Which {
    /// Which address: adr_…
    address: String,
}

#[derive(Args)]
#[command(
    after_long_help = "Example:\n  bookstore address update adr_… --line '2 Analytical Way' --postal-code 'W1 1AB'"
)]
pub(crate) struct Update {
    /// Which address: adr_…
    address: String,
    /// Who receives the parcel
    #[arg(long)]
    recipient: Option<String>,
    /// Street and number, all of it; up to three times
    #[arg(long = "line")]
    lines: Vec<String>,
    /// Town or city
    #[arg(long)]
    city: Option<String>,
    /// State, province or county; '' for none
    #[arg(long)]
    region: Option<String>,
    /// Post code; '' for none
    #[arg(long)]
    postal_code: Option<String>,
    /// Country, two letters: GB
    #[arg(long)]
    country: Option<String>,
}

#[derive(Args)]
#[command(
    after_long_help = "Example:\n  bookstore address add --recipient 'Ada Lovelace' --line '1 Analytical Way' --city London --postal-code 'W1 1AA' --country GB"
)]
pub(crate) struct Add {
    /// Who receives the parcel
    #[arg(long)]
    recipient: String,
    /// Street and number; up to three times
    #[arg(long = "line", required = true)]
    lines: Vec<String>,
    /// Town or city
    #[arg(long)]
    city: String,
    /// State, province or county, where the country uses one
    #[arg(long, default_value = "")]
    region: String,
    /// Post code, where the country uses one
    #[arg(long, default_value = "")]
    postal_code: String,
    /// Country, two letters: GB
    #[arg(long)]
    country: String,
    #[command(flatten)]
    request_id: RequestId,
}

impl Address {
    pub(crate) async fn run(self, at: &Gateway, output: &Output) -> Result<(), Failure> {
        let session = Session::open(at, output).await?;
        match self {
            Self::Add(add) => add.run(at, &session, output).await,
            Self::Update(update) => update.run(at, &session, output).await,
            Self::Delete(which) => which.delete(at, &session, output).await,
            Self::Default(which) => which.make_default(at, &session, output).await,
            Self::List => {
                let addresses = all(at, &session).await?;
                output.answer(
                    &ListAddressesResponse { addresses, next_page_token: String::new() },
                    |answer| {
                        if answer.addresses.is_empty() {
                            return "No address yet. Store one with: bookstore address add --help".to_owned();
                        }
                        output::table(
                            &["ADDRESS", "RECIPIENT", "WHERE", ""],
                            answer.addresses.iter().map(row),
                        )
                    },
                );
                Ok(())
            }
        }
    }
}

impl Add {
    async fn run(self, at: &Gateway, session: &Session<'_>, output: &Output) -> Result<(), Failure> {
        let request_id = self.request_id.or_new();
        let wanted = CreateAddressRequest {
            request_id: request_id.clone(),
            recipient: self.recipient,
            lines: self.lines,
            city: self.city,
            region: self.region,
            postal_code: self.postal_code,
            country_code: self.country.to_ascii_uppercase(),
        };
        let identity = at.identity().await?;
        let address = session
            .change(&request_id, async || identity.clone().create_address(session.sign(wanted.clone())).await)
            .await?;
        output.answer(&address, details);
        Ok(())
    }
}

impl Update {
    async fn run(self, at: &Gateway, session: &Session<'_>, output: &Output) -> Result<(), Failure> {
        let update_mask = commands::mask([
            ("recipient", self.recipient.is_some()),
            ("lines", !self.lines.is_empty()),
            ("city", self.city.is_some()),
            ("region", self.region.is_some()),
            ("postal_code", self.postal_code.is_some()),
            ("country_code", self.country.is_some()),
        ]);
        if update_mask.is_none() {
            return Err(Failure::usage("say what to change: bookstore address update --help"));
        }
        let wanted = UpdateAddressRequest {
            address_id: self.address,
            recipient: self.recipient.unwrap_or_default(),
            lines: self.lines,
            city: self.city.unwrap_or_default(),
            region: self.region.unwrap_or_default(),
            postal_code: self.postal_code.unwrap_or_default(),
            country_code: self.country.unwrap_or_default().to_ascii_uppercase(),
            update_mask,
            etag: String::new(),
        };
        let identity = at.identity().await?;
        let address = session
            .change_again(async || identity.clone().update_address(session.sign(wanted.clone())).await)
            .await?;
        output.answer(&address, details);
        Ok(())
    }
}

impl Which {
    async fn delete(self, at: &Gateway, session: &Session<'_>, output: &Output) -> Result<(), Failure> {
        let wanted = DeleteAddressRequest { address_id: self.address };
        let identity = at.identity().await?;
        session
            .change_again(async || identity.clone().delete_address(session.sign(wanted.clone())).await)
            .await?;
        output.value(&json!({ "deleted": true }), "The address is deleted.");
        Ok(())
    }

    async fn make_default(self, at: &Gateway, session: &Session<'_>, output: &Output) -> Result<(), Failure> {
        let wanted = SetDefaultAddressRequest { address_id: self.address };
        let identity = at.identity().await?;
        let address = session
            .change_again(async || identity.clone().set_default_address(session.sign(wanted.clone())).await)
            .await?;
        output.answer(&address, details);
        Ok(())
    }
}

/// Every address of the caller, the oldest first.
pub(crate) async fn all(at: &Gateway, session: &Session<'_>) -> Result<Vec<pb::Address>, Failure> {
    let identity = at.identity().await?;
    let fetch = async |page_size, page_token: String| {
        let page = session.ask(async || {
            let request = ListAddressesRequest { page_size, page_token: page_token.clone() };
            identity.clone().list_addresses(session.sign(request)).await
        });
        page.await.map(|page| (page.addresses, page.next_page_token))
    };
    let (addresses, _end) = Paging::everything().part(fetch).await?;
    Ok(addresses)
}

fn details(address: &pb::Address) -> String {
    output::facts(&[
        ("Address", address.address_id.clone()),
        ("Recipient", address.recipient.clone()),
        ("Where", place(address)),
    ])
}

fn row(address: &pb::Address) -> Vec<String> {
    let default = if address.is_default { "default" } else { "" };
    vec![address.address_id.clone(), address.recipient.clone(), place(address), default.to_owned()]
}

fn place(address: &pb::Address) -> String {
    let mut parts = address.lines.clone();
    parts.extend([
        format!("{} {}", address.postal_code, address.city),
        address.region.clone(),
        address.country_code.clone(),
    ]);
    let parts: Vec<_> = parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()).collect();
    parts.join(", ")
}
