use auth::Customer;
use proto::identity::v1::{self as identity, identity_service_client::IdentityServiceClient};
use secrecy::ExposeSecret as _;
use tonic::{Code, Request, metadata::AsciiMetadataValue};
use values::{AddressId, UserId};

use super::{CallError, failed, nonsense};
use crate::domain::ShippingAddress;

/// How many addresses are asked for at once: the most that identity tells.
const PAGE: i32 = 200;

/// Knows what customers are called and where they live.
#[derive(Clone, Debug)]
pub(crate) struct Identity(IdentityServiceClient<mesh::Client>);

impl Identity {
    const NAME: &'static str = "identity";

    /// `client` must show identity that a service calls.
    pub(crate) fn new(client: mesh::Client) -> Self {
        Self(IdentityServiceClient::new(client))
    }

    /// An address of the customer, asked for with the customer's own token; without an id the default one, if there
    /// is any.
    pub(crate) async fn address_of(
        &self,
        customer: &Customer,
        id: Option<AddressId>,
    ) -> Result<Option<ShippingAddress>, CallError> {
        let Some(id) = id else { return self.default_address_of(customer).await };
        let request = as_customer(customer, identity::GetAddressRequest { address_id: id.to_string() })?;
        let address = self.0.clone().get_address(request).await.map_err(failed(Self::NAME))?.into_inner();
        read(address).map(Some)
    }

    async fn default_address_of(&self, customer: &Customer) -> Result<Option<ShippingAddress>, CallError> {
        let mut page_token = String::new();
        loop {
            let request =
                as_customer(customer, identity::ListAddressesRequest { page_size: PAGE, page_token })?;
            let answer = self.0.clone().list_addresses(request).await;
            let page = answer.map_err(failed(Self::NAME))?.into_inner();
            if let Some(default) = page.addresses.into_iter().find(|address| address.is_default) {
                return read(default).map(Some);
            }
            if page.next_page_token.is_empty() {
                return Ok(None);
            }
            page_token = page.next_page_token;
        }
    }

    /// What a user is called; `None`: there is no such user any more.
    pub(crate) async fn name_of(&self, user: UserId) -> Result<Option<String>, CallError> {
        let request = identity::GetContactRequest { user_id: user.to_string() };
        match self.0.clone().get_contact(request).await {
            Ok(contact) => Ok(Some(contact.into_inner().display_name)),
            Err(status) if status.code() == Code::NotFound => Ok(None),
            Err(status) => Err(failed(Self::NAME)(status)),
        }
    }

    /// What an address of a user says now; `None`: there is no such address any more.
    pub(crate) async fn delivery_address(
        &self,
        user: UserId,
        id: AddressId,
    ) -> Result<Option<ShippingAddress>, CallError> {
        let request =
            identity::GetDeliveryAddressRequest { user_id: user.to_string(), address_id: id.to_string() };
        match self.0.clone().get_delivery_address(request).await {
            Ok(address) => read(address.into_inner()).map(Some),
            Err(status) if status.code() == Code::NotFound => Ok(None),
            Err(status) => Err(failed(Self::NAME)(status)),
        }
    }
}

fn as_customer<T>(customer: &Customer, message: T) -> Result<Request<T>, CallError> {
    let mut request = Request::new(message);
    let bearer = format!("Bearer {}", customer.bearer().expose_secret());
    let mut bearer: AsciiMetadataValue = bearer
        .parse()
        .map_err(|_| nonsense(Identity::NAME, &"the token that let the caller in is no header value"))?;
    bearer.set_sensitive(true);
    request.metadata_mut().insert("authorization", bearer);
    Ok(request)
}

fn read(address: identity::Address) -> Result<ShippingAddress, CallError> {
    Ok(ShippingAddress {
        address_id: address.address_id.parse().map_err(|error| nonsense(Identity::NAME, &error))?,
        recipient: address.recipient,
        lines: address.lines,
        city: address.city,
        region: address.region,
        postal_code: address.postal_code,
        country_code: address.country_code,
    })
}
