use auth::Customer;
use proto::identity::v1 as pb;
use values::Violations;

use super::IdentityService;
use crate::domain::{NewAddress, address};
use crate::error::{Error, Result};
use crate::store::addresses;

/// Stores a delivery address of the caller.
///
/// Repeating a `request_id` returns the address that it made.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field · `ALREADY_EXISTS` same `request_id`, other body
pub(super) async fn create_address(
    identity: &IdentityService,
    caller: &Customer,
    wire: pb::CreateAddressRequest,
) -> Result<pb::Address> {
    let new = parse(&wire)?;
    let made = addresses::insert(&identity.db, caller.user_id, &new, identity.clock.now());
    let made = fault::around("identity.create_address.commit", made).await?;
    if let Some(made) = made {
        let address = addresses::find_for(&identity.db, caller.user_id, made).await?;
        return address.map(pb::Address::from).ok_or_else(|| Error::address_not_found(made));
    }
    let earlier = addresses::find_by_request(&identity.db, caller.user_id, &new.request_id).await?;
    match earlier {
        Some(earlier) if earlier.address.was_made_by(&new) => Ok(earlier.into()),
        _ => Err(Error::RequestIdReused),
    }
}

/// Reads what the caller sent; names every field that is wrong.
fn parse(wire: &pb::CreateAddressRequest) -> std::result::Result<NewAddress, Violations> {
    let mut violations = Violations::new();
    let request_id = violations.parse("request_id", &wire.request_id);
    let recipient = address::recipient(&mut violations, &wire.recipient);
    let lines = address::lines(&mut violations, &wire.lines);
    let city = address::city(&mut violations, &wire.city);
    let region = address::region(&mut violations, &wire.region);
    let postal_code = address::postal_code(&mut violations, &wire.postal_code);
    let country = violations.parse("country_code", &wire.country_code);
    let parsed = (|| {
        Some(NewAddress {
            request_id: request_id?,
            recipient: recipient?,
            lines: lines?,
            city: city?,
            region: region?,
            postal_code: postal_code?,
            country: country?,
        })
    })();
    violations.finish(parsed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proto::identity::v1::CreateAddressRequest;

    use super::*;

    fn request() -> CreateAddressRequest {
        CreateAddressRequest {
            request_id: "r-1".to_owned(),
            recipient: "Ada Lovelace".to_owned(),
            lines: vec!["12 St James's Square".to_owned()],
            city: "London".to_owned(),
            region: String::new(),
            postal_code: "SW1Y 4JH".to_owned(),
            country_code: "GB".to_owned(),
        }
    }

    #[test]
    fn region_and_post_code_may_be_missing_and_nothing_else() {
        let bare = CreateAddressRequest { postal_code: String::new(), ..request() };
        assert!(parse(&bare).is_ok());

        let refused = parse(&CreateAddressRequest::default()).unwrap_err();
        let fields: Vec<_> = refused.iter().map(|(field, _)| field).collect();
        assert_eq!(fields, ["request_id", "recipient", "lines", "city", "country_code"]);
    }

    #[test]
    fn each_wrong_line_is_named() {
        let lines = vec![" ".to_owned(), "12 St James's Square".to_owned(), "x".repeat(101)];
        let refused = parse(&CreateAddressRequest { lines, ..request() }).unwrap_err();
        let fields: Vec<_> = refused.iter().map(|(field, _)| field).collect();
        assert_eq!(fields, ["lines[0]", "lines[2]"]);
    }

    #[test]
    fn the_fingerprint_leaves_out_the_request_id_and_white_space_only() {
        let address = parse(&request()).unwrap();
        let again =
            CreateAddressRequest { request_id: "r-2".to_owned(), city: " London ".to_owned(), ..request() };
        assert_eq!(address.fingerprint(), parse(&again).unwrap().fingerprint());
        let moved = CreateAddressRequest { city: "Bath".to_owned(), ..request() };
        assert_ne!(address.fingerprint(), parse(&moved).unwrap().fingerprint());
    }

    proptest! {
        #[test]
        fn an_accepted_address_fits_the_table(
            recipient in "\\PC{0,110}",
            lines in prop::collection::vec("\\PC{1,110}", 0..5),
            city in any::<String>(),
            region in "[ \\PC]{0,110}",
            postal_code in "\\PC{0,20}",
        ) {
            let wire = CreateAddressRequest { recipient, lines, city, region, postal_code, ..request() };
            if let Ok(address) = parse(&wire) {
                let is_line = |text: &String| (1..=100).contains(&text.chars().count());
                prop_assert!(is_line(&address.recipient) && is_line(&address.city));
                prop_assert!((1..=3).contains(&address.lines.len()) && address.lines.iter().all(is_line));
                prop_assert!(address.region.chars().count() <= 100 && address.postal_code.chars().count() <= 16);
            }
        }
    }
}
