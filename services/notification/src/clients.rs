//! The service that knows whom to write to.

use proto::identity::v1::{
    BatchGetContactsRequest, ContactOutcome, GetContactRequest, contact_outcome::Outcome,
    identity_service_client::IdentityServiceClient,
};
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

    /// How each of the users is reached; `None`: the user is gone.
    pub(crate) async fn contacts_of(
        &self,
        users: &[UserId],
    ) -> Result<Vec<Result<Option<Contact>, Status>>, Status> {
        let requests = users.iter().map(|user| GetContactRequest { user_id: user.to_string() }).collect();
        let request = BatchGetContactsRequest { requests };
        let outcomes = self.0.clone().batch_get_contacts(request).await?.into_inner().outcomes;
        if outcomes.len() != users.len() {
            return Err(Status::unknown("identity answered another number of requests than it was asked"));
        }
        Ok(outcomes.into_iter().map(contact).collect())
    }
}

fn contact(outcome: ContactOutcome) -> Result<Option<Contact>, Status> {
    match outcome.outcome {
        Some(Outcome::Contact(contact)) => {
            Ok(Some(Contact { email: contact.email, name: contact.display_name }))
        }
        Some(Outcome::Refusal(refusal)) => match server::status::refused(refusal) {
            status if status.code() == Code::NotFound => Ok(None),
            status => Err(status),
        },
        None => Err(Status::unknown("no outcome")),
    }
}
