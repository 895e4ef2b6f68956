//! The services that orders need.

use auth::Customer;
use proto::{
    identity::v1::{self as identity, identity_service_client::IdentityServiceClient},
    inventory::v1::{self as inventory, ReservationState, inventory_service_client::InventoryServiceClient},
};
use secrecy::ExposeSecret as _;
use tonic::{Code, Request, Status};
use values::{AddressId, Currency, Money, OfferId, Quantity, RequestId, ReservationId, UserId};

use crate::{
    domain::{Line, ShippingAddress},
    error::Error,
};

/// Why another service gave no answer that we can use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// It refuses, for a reason that is our caller's to know.
    #[error("{0}")]
    Refused(Status),
    /// It may answer another time.
    #[error("{service} did not answer: {status}")]
    Unanswered {
        /// Which one.
        service: &'static str,
        /// `UNAVAILABLE` or `DEADLINE_EXCEEDED`, as the call ended here.
        status: Status,
    },
    /// It answered what the contract doesn't allow.
    #[error("{service} answered nonsense: {what}")]
    Nonsense {
        /// Which one.
        service: &'static str,
        /// What is wrong.
        what: String,
    },
}

fn failed(service: &'static str) -> impl Fn(Status) -> CallError {
    move |status| match status.code() {
        Code::InvalidArgument
        | Code::NotFound
        | Code::FailedPrecondition
        | Code::AlreadyExists
        | Code::ResourceExhausted
        | Code::Unauthenticated => CallError::Refused(status),
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Aborted => {
            CallError::Unanswered { service, status }
        }
        Code::Ok
        | Code::Unknown
        | Code::PermissionDenied
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Internal
        | Code::DataLoss => CallError::Nonsense { service, what: status.to_string() },
    }
}

/// Knows where customers live.
#[derive(Clone, Debug)]
pub(crate) struct Identity(IdentityServiceClient<mesh::Client>);

impl Identity {
    const NAME: &'static str = "identity";

    pub(crate) fn new(client: mesh::Client) -> Self {
        Self(IdentityServiceClient::new(client))
    }

    /// An address of the customer, asked for with the customer's own token.
    pub(crate) async fn address_of(
        &self,
        customer: &Customer,
        id: AddressId,
    ) -> Result<ShippingAddress, CallError> {
        let mut request = Request::new(identity::GetAddressRequest { address_id: id.to_string() });
        let bearer = format!("Bearer {}", customer.bearer().expose_secret());
        let mut bearer: tonic::metadata::AsciiMetadataValue = bearer
            .parse()
            .map_err(|_| nonsense(Self::NAME, &"the token that let the caller in is no header value"))?;
        bearer.set_sensitive(true);
        request.metadata_mut().insert("authorization", bearer);
        let address = self.0.clone().get_address(request).await.map_err(failed(Self::NAME))?.into_inner();
        Ok(ShippingAddress {
            address_id: id,
            recipient: address.recipient,
            lines: address.lines,
            city: address.city,
            region: address.region,
            postal_code: address.postal_code,
            country_code: address.country_code,
        })
    }
}

/// What inventory has set aside.
#[derive(Clone, Debug)]
pub(crate) struct Reservation {
    pub(crate) id: ReservationId,
    /// Whether the stock is set aside now.
    pub(crate) is_held: bool,
    pub(crate) lines: Vec<Line>,
}

/// What became of an order's stock when it was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Commitment {
    /// It is the order's.
    Committed,
    /// Others have it.
    Lost,
}

/// Sets stock aside and takes it out.
#[derive(Clone, Debug)]
pub(crate) struct Inventory(InventoryServiceClient<mesh::Client>);

impl Inventory {
    const NAME: &'static str = "inventory";

    /// `client` must show inventory that a service calls.
    pub(crate) fn new(client: mesh::Client) -> Self {
        Self(InventoryServiceClient::new(client))
    }

    /// Sets the stock of a customer's request aside; every attempt of the same request gets the same reservation.
    pub(crate) async fn reserve(
        &self,
        user: UserId,
        request_id: &RequestId,
        items: &[(OfferId, Quantity)],
    ) -> Result<Reservation, CallError> {
        let request = inventory::ReserveStockRequest {
            key: format!("{user}/{request_id}"),
            lines: items
                .iter()
                .map(|&(offer, quantity)| inventory::Line {
                    offer_id: offer.to_string(),
                    quantity: quantity.into(),
                })
                .collect(),
        };
        let answer = self.0.clone().reserve_stock(request).await.map_err(failed(Self::NAME))?.into_inner();
        let reservation = read(answer)?;
        let reserved = reservation.lines.iter().map(|line| (line.offer, line.quantity));
        if !reserved.eq(items.iter().copied()) {
            return Err(nonsense(Self::NAME, &"other lines than were asked for"));
        }
        Ok(reservation)
    }

    /// Takes an order's stock off the shelf, if it can still be had.
    pub(crate) async fn commit(&self, id: ReservationId) -> Result<Commitment, CallError> {
        let request = inventory::CommitReservationRequest { reservation_id: id.to_string() };
        match self.0.clone().commit_reservation(request).await {
            Ok(answer) => match answer.into_inner().state() {
                ReservationState::Committed => Ok(Commitment::Committed),
                ReservationState::Released | ReservationState::Expired | ReservationState::Restocked => {
                    Ok(Commitment::Lost)
                }
                ReservationState::Held | ReservationState::Unspecified => {
                    Err(nonsense(Self::NAME, &"a state that no commit leads to"))
                }
            },
            // Every order's reservation was made first: this is another database, or an older one. Losing paid orders
            // to it for good would be worse than keeping them waiting until somebody has looked.
            Err(status) if status.code() == Code::NotFound => {
                Err(nonsense(Self::NAME, &"no such reservation, though an order has it"))
            }
            Err(status) => {
                let error = failed(Self::NAME)(status);
                // Nonsense is for the sweeper to tell: it knows what it has told before.
                if !matches!(error, CallError::Nonsense { .. }) {
                    tracing::warn!(%error, reservation = %id, "the stock of a paid order could not be committed yet");
                }
                Err(error)
            }
        }
    }
}

fn nonsense(service: &'static str, what: &dyn std::fmt::Display) -> CallError {
    CallError::Nonsense { service, what: what.to_string() }
}

fn read(reservation: inventory::Reservation) -> Result<Reservation, CallError> {
    let malformed = |what: &dyn std::fmt::Display| nonsense(Inventory::NAME, what);
    Ok(Reservation {
        id: reservation.reservation_id.parse().map_err(|error| malformed(&error))?,
        is_held: reservation.state() == ReservationState::Held,
        lines: reservation.lines.into_iter().map(read_line).collect::<Result<_, _>>()?,
    })
}

fn read_line(line: inventory::ReservedLine) -> Result<Line, CallError> {
    let malformed = |what: &dyn std::fmt::Display| nonsense(Inventory::NAME, what);
    let price = line.unit_price.ok_or_else(|| malformed(&"a line without a price"))?;
    let currency: Currency = price.currency_code.parse().map_err(|error| malformed(&error))?;
    Ok(Line {
        offer: line.offer_id.parse().map_err(|error| malformed(&error))?,
        edition: line.edition_id.parse().map_err(|error| malformed(&error))?,
        shop: line.shop_id.parse().map_err(|error| malformed(&error))?,
        title: line.title,
        quantity: Quantity::try_from(line.quantity).map_err(|error| malformed(&error))?,
        unit_price: Money::new(price.minor_units, currency),
    })
}

impl From<CallError> for Status {
    fn from(error: CallError) -> Self {
        match error {
            // Without the metadata, which is between them and us.
            CallError::Refused(status) => {
                Self::with_details(status.code(), status.message(), status.details().to_vec().into())
            }
            CallError::Unanswered { service, status } if status.code() == Code::DeadlineExceeded => {
                tracing::warn!(peer = service, %status, "a service did not answer in time");
                Self::deadline_exceeded(format!("{service} did not answer in time"))
            }
            CallError::Unanswered { service, status } => {
                tracing::warn!(peer = service, %status, "a service cannot be reached");
                server::status::unavailable(std::time::Duration::from_millis(500))
            }
            CallError::Nonsense { .. } => {
                tracing::error!(%error, "a call failed");
                server::status::internal()
            }
        }
    }
}

impl From<CallError> for Error {
    fn from(error: CallError) -> Self {
        match error {
            // The key is made of the request: it has been used for other lines by a request that made no order.
            CallError::Refused(status) if status.code() == Code::AlreadyExists => Self::RequestIdReused,
            error => Self::Call(error),
        }
    }
}
