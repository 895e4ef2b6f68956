//! `address add|list`.

use clap::{Args, Subcommand};
use proto::identity::v1::{self as pb, CreateAddressRequest, ListAddressesRequest, ListAddressesResponse};

use crate::{
    failure::Failure,
    gateway::Gateway,
    output::{self, Output},
    paging::Paging,
    request::{self, RequestId},
    session::Session,
};

#[derive(Subcommand)]
pub(crate) enum Address {
    /// Store a delivery address
    Add(Add),
    /// List your addresses, the oldest first
    #[command(after_long_help = "Example:\n  bookstore address list")]
    List,
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
        let session = Session::load()?;
        match self {
            Self::Add(add) => add.run(at, &session, output).await,
            Self::List => {
                let addresses = all(at, &session).await?;
                output.answer(
                    &ListAddressesResponse { addresses, next_page_token: String::new() },
                    |answer| {
                        if answer.addresses.is_empty() {
                            return "No address yet. Store one with: bookstore address add --help".to_owned();
                        }
                        output::table(&["ADDRESS", "RECIPIENT", "WHERE"], answer.addresses.iter().map(row))
                    },
                );
                Ok(())
            }
        }
    }
}

impl Add {
    async fn run(self, at: &Gateway, session: &Session, output: &Output) -> Result<(), Failure> {
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
        let address = request::change(&request_id, async || {
            identity.clone().create_address(session.sign(wanted.clone())).await
        })
        .await?;
        output.answer(&address, |address| {
            output::facts(&[
                ("Address", address.address_id.clone()),
                ("Recipient", address.recipient.clone()),
                ("Where", place(address)),
            ])
        });
        Ok(())
    }
}

/// Every address of the caller, the oldest first.
pub(crate) async fn all(at: &Gateway, session: &Session) -> Result<Vec<pb::Address>, Failure> {
    let identity = at.identity().await?;
    let fetch = async |page_size, page_token: String| {
        let page = request::repeat(async || {
            let request = ListAddressesRequest { page_size, page_token: page_token.clone() };
            identity.clone().list_addresses(session.sign(request)).await
        });
        page.await.map(|page| (page.addresses, page.next_page_token))
    };
    let (addresses, _end) = Paging::everything().part(fetch).await?;
    Ok(addresses)
}

fn row(address: &pb::Address) -> Vec<String> {
    vec![address.address_id.clone(), address.recipient.clone(), place(address)]
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
