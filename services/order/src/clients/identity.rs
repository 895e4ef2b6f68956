use proto::identity::v1::{
    self as identity, identity_service_client::IdentityServiceClient, recipient_outcome::Outcome,
};
use tonic::Code;
use values::{AddressId, UserId};

use super::{CallError, failed, nonsense};
use crate::domain::ShippingAddress;

/// Whom a new order is to go to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecipientQuery {
    /// The customer, who has placed the order and whose address it has to be.
    pub(crate) user: UserId,
    /// The default one, if none is named.
    pub(crate) address: Option<AddressId>,
}

/// Whom a new order goes to.
#[derive(Clone, Debug)]
pub(crate) struct Recipient {
    pub(crate) name: String,
    /// `None`: no address was named, and the customer has no default one.
    pub(crate) address: Option<ShippingAddress>,
}

/// Knows what customers are called and where they live.
#[derive(Clone, Debug)]
pub(crate) struct Identity(IdentityServiceClient<mesh::Client>);

impl Identity {
    const NAME: &'static str = "identity";

    /// `client` must show identity that a service calls.
    pub(crate) fn new(client: mesh::Client) -> Self {
        Self(IdentityServiceClient::new(client))
    }

    /// What the customers of new orders are called and where their orders go, each for itself.
    pub(crate) async fn recipients(
        &self,
        queries: &[RecipientQuery],
    ) -> Result<Vec<Result<Recipient, CallError>>, CallError> {
        let requests = queries.iter().map(|query| identity::RecipientRequest {
            user_id: query.user.to_string(),
            address_id: query.address.map(|id| id.to_string()).unwrap_or_default(),
        });
        let request = identity::BatchGetRecipientsRequest { requests: requests.collect() };
        let answer = self.0.clone().batch_get_recipients(request).await.map_err(failed(Self::NAME))?;
        let outcomes = answer.into_inner().outcomes;
        if outcomes.len() != queries.len() {
            let what = format!("{} outcomes of {} requests", outcomes.len(), queries.len());
            return Err(nonsense(Self::NAME, &what));
        }
        Ok(outcomes.into_iter().map(recipient).collect())
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

fn recipient(outcome: identity::RecipientOutcome) -> Result<Recipient, CallError> {
    match outcome.outcome {
        Some(Outcome::Recipient(recipient)) => {
            Ok(Recipient { name: recipient.display_name, address: recipient.address.map(read).transpose()? })
        }
        Some(Outcome::Refusal(refusal)) => Err(failed(Identity::NAME)(server::status::refused(refusal))),
        None => Err(nonsense(Identity::NAME, &"no outcome")),
    }
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
