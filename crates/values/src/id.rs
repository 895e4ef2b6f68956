use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::serde_text::serde_as_text;

/// The text is no id of the kind that is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("must be an id such as {prefix}_01h455vb4pex5vsknk084sn02q")]
pub struct IdError {
    prefix: &'static str,
}

/// Crockford's base 32 in lower case, without `i l o u`.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Five bits a character: 26 hold 130, of which the first two are always zero.
const SUFFIX_LENGTH: usize = 26;

/// The value of each character of the alphabet, and for all others [`STRANGE`].
const VALUES: [u8; 256] = {
    let mut values = [STRANGE; 256];
    let mut value = 0;
    while value < STRANGE {
        values[ALPHABET[value as usize] as usize] = value;
        value += 1;
    }
    values
};

/// Beyond the five bits of a character.
const STRANGE: u8 = 32;

fn write_suffix(uuid: Uuid, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut bits = uuid.as_u128();
    let mut text = [0; SUFFIX_LENGTH];
    for character in text.iter_mut().rev() {
        *character = ALPHABET[(bits & 31) as usize];
        bits >>= 5;
    }
    // Once: ids are written dozens of times an order.
    formatter.write_str(str::from_utf8(&text).map_err(|_| fmt::Error)?)
}

/// `None` for all but 26 characters of the alphabet that encode at most 128 bits.
fn read_suffix(suffix: &str) -> Option<Uuid> {
    if suffix.len() != SUFFIX_LENGTH || suffix.as_bytes()[0] > b'7' {
        return None;
    }
    let (mut bits, mut strange) = (0, 0);
    for character in suffix.bytes() {
        let value = VALUES[usize::from(character)];
        strange |= value & STRANGE;
        bits = (bits << 5) | u128::from(value & 31);
    }
    (strange == 0).then(|| Uuid::from_u128(bits))
}

fn read(prefix: &'static str, text: &str) -> Result<Uuid, IdError> {
    text.strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('_'))
        .and_then(read_suffix)
        .ok_or(IdError { prefix })
}

macro_rules! type_ids {
    ($($name:ident $prefix:literal $of:literal;)*) => {$(
        #[doc = concat!("The id of ", $of, ": `", $prefix, "_…` on the wire (TypeID 0.3), a UUID in the database.")]
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// What its text starts with.
            pub const PREFIX: &'static str = $prefix;

            /// A fresh id (UUID version 7), later than all that this process made before.
            #[expect(clippy::new_without_default, reason = "a default would be another id each time")]
            #[must_use]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// The id that the database keeps as `uuid`.
            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// What the database keeps.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(concat!($prefix, "_"))?;
                write_suffix(self.0, formatter)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, formatter)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                read(Self::PREFIX, text).map(Self)
            }
        }

        serde_as_text!($name);
    )*};
}

type_ids! {
    UserId "usr" "a user";
    AddressId "adr" "a delivery address";
    SessionId "ses" "a session";
    ShopId "shp" "a shop";
    LocationId "loc" "a shop's stock room";
    WorkId "wrk" "a work";
    EditionId "edn" "an edition";
    OfferId "ofr" "a shop's offer of an edition";
    ReservationId "rsv" "a reservation of stock";
    OrderId "ord" "an order";
    PaymentId "pay" "a payment";
    TransferId "trf" "a transfer between two accounts";
    CardId "crd" "a card that pays";
    RefundId "rfd" "money given back";
    WithdrawalId "wdr" "money paid out of a wallet";
    ReturnId "ret" "books that are sent back";
    DeliveryId "dlv" "something told to somebody";
    EventId "evt" "an event";
    DeadLetterId "dlt" "an event that was given up";
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The valid examples of the specification (`spec/valid.yml`, version 0.3.0).
    const VALID: [(&str, &str, &str); 9] = [
        ("", "00000000000000000000000000", "00000000-0000-0000-0000-000000000000"),
        ("", "00000000000000000000000001", "00000000-0000-0000-0000-000000000001"),
        ("", "0000000000000000000000000a", "00000000-0000-0000-0000-00000000000a"),
        ("", "0000000000000000000000000g", "00000000-0000-0000-0000-000000000010"),
        ("", "00000000000000000000000010", "00000000-0000-0000-0000-000000000020"),
        ("", "7zzzzzzzzzzzzzzzzzzzzzzzzz", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
        ("prefix", "0123456789abcdefghjkmnpqrs", "0110c853-1d09-52d8-d73e-1194e95b5f19"),
        ("prefix", "01h455vb4pex5vsknk084sn02q", "01890a5d-ac96-774b-bcce-b302099a8057"),
        ("pre_fix", "00000000000000000000000000", "00000000-0000-0000-0000-000000000000"),
    ];

    /// The invalid examples (`spec/invalid.yml`), all of them for an id whose prefix is `prefix`.
    const INVALID: [&str; 19] = [
        "PREFIX_00000000000000000000000000",
        "12345_00000000000000000000000000",
        "pre.fix_00000000000000000000000000",
        "préfix_00000000000000000000000000",
        "  prefix_00000000000000000000000000",
        "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl_00000000000000000000000000",
        "_00000000000000000000000000",
        "_",
        "prefix_1234567890123456789012345",
        "prefix_123456789012345678901234567",
        "prefix_1234567890123456789012345 ",
        "prefix_0123456789ABCDEFGHJKMNPQRS",
        "prefix_123456789-123456789-123456",
        "prefix_ooooooiiiiiiuuuuuuulllllll",
        "prefix_i23456789ol23456789oi23456",
        "prefix_123456789-0123456789-0123456",
        "prefix_8zzzzzzzzzzzzzzzzzzzzzzzzz",
        "_prefix_00000000000000000000000000",
        "prefix__00000000000000000000000000",
    ];

    struct Suffix(Uuid);

    impl fmt::Display for Suffix {
        fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            write_suffix(self.0, formatter)
        }
    }

    #[test]
    fn the_specifications_valid_examples_read_and_write() {
        for (prefix, suffix, uuid) in VALID {
            let uuid: Uuid = uuid.parse().unwrap();
            assert_eq!(Suffix(uuid).to_string(), suffix);
            match prefix {
                "" => assert_eq!(read_suffix(suffix), Some(uuid)),
                _ => assert_eq!(read(prefix, &format!("{prefix}_{suffix}")), Ok(uuid)),
            }
        }
    }

    #[test]
    fn the_specifications_invalid_examples_are_refused() {
        for text in INVALID {
            assert!(read("prefix", text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_id_of_another_kind_is_refused() {
        let order = OrderId::new().to_string();
        assert!(order.parse::<OrderId>().is_ok());
        let refused = order.parse::<UserId>().unwrap_err();
        assert_eq!(refused.to_string(), "must be an id such as usr_01h455vb4pex5vsknk084sn02q");
    }

    #[test]
    fn fresh_ids_sort_by_the_order_in_which_they_were_made() {
        let ids: Vec<_> = std::iter::repeat_with(OrderId::new).take(1000).collect();
        assert!(ids.is_sorted());
        assert!(ids.iter().map(OrderId::to_string).is_sorted());
        assert!(ids.iter().all(|id| id.uuid().get_version_num() == 7));
    }

    proptest! {
        #[test]
        fn every_uuid_survives_the_wire(bits: u128) {
            let id = OrderId::from_uuid(Uuid::from_u128(bits));
            prop_assert_eq!(id.to_string().parse(), Ok(id));
            prop_assert_eq!(id.to_string().len(), 30);
            let json = serde_json::to_string(&id).unwrap();
            prop_assert_eq!(json.clone(), format!("\"{id}\""));
            prop_assert_eq!(serde_json::from_str::<OrderId>(&json).unwrap(), id);
        }

        #[test]
        fn text_order_is_id_order(left: u128, right: u128) {
            let (left, right) = (OrderId::from_uuid(Uuid::from_u128(left)), OrderId::from_uuid(Uuid::from_u128(right)));
            prop_assert_eq!(left.cmp(&right), left.to_string().cmp(&right.to_string()));
        }

        #[test]
        fn no_text_has_two_readings(text in "ord_[0-7][0-9a-zA-Z]{25}") {
            if let Ok(id) = text.parse::<OrderId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            let _ = text.parse::<OrderId>();
            let _ = format!("ord_{text}").parse::<OrderId>();
        }
    }
}
