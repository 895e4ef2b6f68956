use std::collections::HashMap;

use proto::identity::v1::{self as pb, contact_outcome::Outcome};
use server::status;
use tonic::Status;
use values::{UserId, Violations};

use super::{IdentityService, get_contact, of_several};
use crate::error::{Error, Result};
use crate::store::recipients;

/// How to address users and where to write to, for the service that the policy names.
///
/// # Errors
/// `INVALID_ARGUMENT` nobody or too many
pub(super) async fn batch_get_contacts(
    identity: &IdentityService,
    wire: pb::BatchGetContactsRequest,
) -> Result<pb::BatchGetContactsResponse> {
    of_several(wire.requests.len())?;
    let users: Vec<std::result::Result<UserId, Violations>> =
        wire.requests.iter().map(get_contact::parse).collect();
    let known: Vec<UserId> = users.iter().flatten().copied().collect();
    let found = recipients::contacts(&identity.db, &known).await?;
    let found: HashMap<_, _> =
        found.into_iter().map(|contact| (UserId::from_uuid(contact.id), contact)).collect();
    let outcomes = users.into_iter().map(|user| {
        let contact = user.map_err(Error::from).and_then(|user| {
            let contact = found.get(&user).ok_or_else(|| Error::user_not_found(user))?;
            Ok(pb::Contact {
                user_id: user.to_string(),
                email: contact.email.clone(),
                display_name: contact.display_name.clone(),
            })
        });
        let outcome = match contact {
            Ok(contact) => Outcome::Contact(contact),
            Err(error) => Outcome::Refusal(status::refusal(&Status::from(error))),
        };
        pb::ContactOutcome { outcome: Some(outcome) }
    });
    Ok(pb::BatchGetContactsResponse { outcomes: outcomes.collect() })
}
