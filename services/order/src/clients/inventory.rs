use proto::inventory::v1::{
    self as inventory, ReservationState, inventory_service_client::InventoryServiceClient,
};
use tonic::Code;
use values::{Currency, Money, OfferId, Quantity, RequestId, ReservationId, UserId};

use super::{CallError, failed, nonsense};
use crate::domain::Line;

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
