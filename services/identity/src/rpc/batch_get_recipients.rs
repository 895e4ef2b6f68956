use std::collections::HashMap;

use proto::identity::v1::{self as pb, recipient_outcome::Outcome};
use server::status;
use tonic::Status;
use values::{AddressId, UserId, Violations};

use super::{IdentityService, of_several};
use crate::error::{Error, Result};
use crate::store::recipients::{self, Recipient};

type Query = (UserId, Option<AddressId>);

/// What customers are called and where their orders go, for the service that the policy names.
///
/// # Errors
/// `INVALID_ARGUMENT` nobody or too many
pub(super) async fn batch_get_recipients(
    identity: &IdentityService,
    wire: pb::BatchGetRecipientsRequest,
) -> Result<pb::BatchGetRecipientsResponse> {
    of_several(wire.requests.len())?;
    let queries: Vec<std::result::Result<Query, Violations>> = wire.requests.iter().map(parse).collect();
    let asked: Vec<Query> = queries.iter().flatten().copied().collect();
    let found = recipients::recipients(&identity.db, &asked).await?;
    let mut found: HashMap<i64, Recipient> = found.into_iter().map(|one| (one.place, one)).collect();
    let mut places = 1..;
    let outcomes = queries.into_iter().map(|query| {
        let recipient = query.map_err(Error::from).and_then(|query| {
            let place = places.next().and_then(|place| found.remove(&place));
            recipient(query, place)
        });
        let outcome = match recipient {
            Ok(recipient) => Outcome::Recipient(recipient),
            Err(error) => Outcome::Refusal(status::refusal(&Status::from(error))),
        };
        pb::RecipientOutcome { outcome: Some(outcome) }
    });
    Ok(pb::BatchGetRecipientsResponse { outcomes: outcomes.collect() })
}

fn recipient((user, address): Query, found: Option<Recipient>) -> Result<pb::Recipient> {
    let found = found.ok_or_else(|| Error::user_not_found(user))?;
    if let (Some(address), None) = (address, &found.address) {
        return Err(Error::address_not_found(address));
    }
    let address = found.address.map(|address| pb::Address {
        address_id: AddressId::from_uuid(address.id).to_string(),
        recipient: address.recipient,
        lines: address.lines,
        city: address.city,
        region: address.region,
        postal_code: address.postal_code,
        country_code: address.country_code,
        ..pb::Address::default()
    });
    Ok(pb::Recipient { display_name: found.display_name, address })
}

fn parse(wire: &pb::RecipientRequest) -> std::result::Result<Query, Violations> {
    let mut violations = Violations::new();
    let user = violations.parse("user_id", &wire.user_id);
    let address = match wire.address_id.as_str() {
        "" => Some(None),
        id => violations.parse("address_id", id).map(Some),
    };
    violations.finish(user.zip(address))
}
