//! Money, typed ids, ISBN, e-mail, page tokens: parsed once, right ever after.
//!
//! Everything here is pure: no I/O, no async. A value that exists is valid, so nothing downstream tests it
//! again. The errors read as what is wrong with a field ("must be …") and never repeat the value, because
//! they go into answers and logs.

mod clock;
mod country;
mod currency;
mod email;
mod fingerprint;
mod id;
mod isbn;
mod money;
pub mod page;
mod quantity;
mod request_id;
mod serde_text;
mod text;
mod violations;

pub use clock::Clock;
pub use country::{CountryCode, CountryCodeError};
pub use currency::{Currency, CurrencyError};
pub use email::{EmailAddress, EmailAddressError};
pub use fingerprint::{Fingerprint, FingerprintError};
pub use id::{
    AddressId, CardId, DeadLetterId, DeliveryId, EditionId, EventId, IdError, LocationId, OfferId, OrderId,
    PaymentId, RefundId, ReservationId, ReturnId, SessionId, ShopId, TransferId, UserId, WithdrawalId,
    WorkId,
};
pub use isbn::{Isbn, IsbnError};
pub use money::{Money, MoneyError};
pub use quantity::{Quantity, QuantityError};
pub use request_id::{RequestId, RequestIdError};
pub use text::{TextError, text};
pub use violations::Violations;
