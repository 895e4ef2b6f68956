//! The service that knows whom to write to.

use proto::identity::v1::{GetContactRequest, identity_service_client::IdentityServiceClient};
use tonic::{Code, Status};
use values::UserId;

/// How a user is reached now. Personal data: used, and forgotten.
pub(crate) struct Contact {
    pub(crate) email: String,
    pub(crate) name: String,
}

/// Knows how users are reached.
#[derive(Clone, Debug)]
pub(crate) struct Identity(IdentityServiceClient<mesh::Client>);

impl Identity {
    pub(crate) fn new(client: mesh::Client) -> Self {
        Self(IdentityServiceClient::new(client))
    }

    /// `None` if the user is gone.
    pub(crate) async fn contact_of(&self, user: UserId) -> Result<Option<Contact>, Status> {
        let request = GetContactRequest { user_id: user.to_string() };
        match self.0.clone().get_contact(request).await {
            Ok(answer) => {
                let contact = answer.into_inner();
                Ok(Some(Contact { email: contact.email, name: contact.display_name }))
            }
            Err(status) if status.code() == Code::NotFound => Ok(None),
            Err(status) => Err(status),
        }
    }
}
