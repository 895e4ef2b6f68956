//! Typed ids: `ord_01h455vb4pex5vsknk084sn02q`.

use std::fmt::Debug;

use serde::{Serialize, de::DeserializeOwned};
use values::{
    AddressId, CardId, DeadLetterId, DeliveryId, EditionId, EventId, LocationId, OfferId, OrderId, PaymentId,
    RefundId, ReservationId, ReturnId, SessionId, ShopId, TransferId, UserId, WithdrawalId, WorkId,
};

use crate::{Target, text};

pub(super) const TARGET: Target = Target {
    name: "ids",
    about: "typed ids, of every kind",
    longest: 128,
    run,
    examples: || {
        crate::texts(&[
            "ord_01h455vb4pex5vsknk084sn02q",
            "usr_7zzzzzzzzzzzzzzzzzzzzzzzzz",
            "usr_8zzzzzzzzzzzzzzzzzzzzzzzzz",
            "trf_00000000000000000000000000",
            "ord_01H455VB4PEX5VSKNK084SN02Q",
            "_01h455vb4pex5vsknk084sn02q",
            "ofr_01h455vb4pex5vsknk084sn0",
        ])
    },
};

fn run(bytes: &[u8]) {
    let Some(text) = text::of(bytes) else { return };
    let taken = [
        one::<UserId>(text),
        one::<AddressId>(text),
        one::<SessionId>(text),
        one::<ShopId>(text),
        one::<LocationId>(text),
        one::<WorkId>(text),
        one::<EditionId>(text),
        one::<OfferId>(text),
        one::<ReservationId>(text),
        one::<OrderId>(text),
        one::<PaymentId>(text),
        one::<TransferId>(text),
        one::<CardId>(text),
        one::<RefundId>(text),
        one::<WithdrawalId>(text),
        one::<ReturnId>(text),
        one::<DeliveryId>(text),
        one::<EventId>(text),
        one::<DeadLetterId>(text),
    ];
    assert!(taken.iter().filter(|taken| **taken).count() <= 1, "{text:?} is the id of two kinds of things");
}

fn one<T>(text: &str) -> bool
where
    T: std::str::FromStr + std::fmt::Display + Debug + PartialEq + Serialize + DeserializeOwned,
{
    let id = text::round_trip_with_json::<T>(text);
    // An id has one spelling: the database's index and the caller's cache mean the same thing by it.
    id.is_some_and(|id| {
        assert_eq!(id.to_string(), text);
        true
    })
}
