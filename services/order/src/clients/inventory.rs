use proto::inventory::v1::{
    self as inventory, ReservationState, inventory_service_client::InventoryServiceClient,
    reservation_outcome::Outcome,
};
use tonic::{Code, Status};
use values::{Currency, Money, OfferId, Quantity, RequestId, ReservationId, UserId};

use super::{CallError, failed, nonsense};
use crate::domain::Line;

/// What a customer's request needs set aside.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) user: UserId,
    pub(crate) request_id: RequestId,
    pub(crate) items: Vec<(OfferId, Quantity)>,
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

    /// Sets the stock of customers' requests aside, each for itself; every attempt of the same request gets the same
    /// reservation.
    pub(crate) async fn reserve(
        &self,
        wanted: &[Wanted],
    ) -> Result<Vec<Result<Reservation, CallError>>, CallError> {
        let requests = wanted.iter().map(|wanted| inventory::ReserveStockRequest {
            key: format!("{}/{}", wanted.user, wanted.request_id),
            lines: wanted
                .items
                .iter()
                .map(|&(offer, quantity)| inventory::Line {
                    offer_id: offer.to_string(),
                    quantity: quantity.into(),
                })
                .collect(),
        });
        let request = inventory::BatchReserveStockRequest { requests: requests.collect() };
        let answer = self.0.clone().batch_reserve_stock(request).await.map_err(failed(Self::NAME))?;
        let outcomes = outcomes(answer.into_inner(), wanted.len())?;
        Ok(outcomes.zip(wanted).map(|(outcome, wanted)| reservation(outcome, &wanted.items)).collect())
    }

    /// Takes the stock of orders off the shelf, each for itself, if it can still be had.
    pub(crate) async fn commit(
        &self,
        ids: &[ReservationId],
    ) -> Result<Vec<Result<Commitment, CallError>>, CallError> {
        let requests =
            ids.iter().map(|id| inventory::CommitReservationRequest { reservation_id: id.to_string() });
        let request = inventory::BatchCommitReservationsRequest { requests: requests.collect() };
        let answer = self.0.clone().batch_commit_reservations(request).await.map_err(failed(Self::NAME))?;
        Ok(outcomes(answer.into_inner(), ids.len())?.map(commitment).collect())
    }
}

/// What came of each request of several.
fn outcomes(
    answer: inventory::BatchReservationsResponse,
    asked: usize,
) -> Result<impl Iterator<Item = Result<inventory::Reservation, Status>>, CallError> {
    if answer.outcomes.len() != asked {
        let what = format!("{} outcomes of {asked} requests", answer.outcomes.len());
        return Err(nonsense(Inventory::NAME, &what));
    }
    Ok(answer.outcomes.into_iter().map(|outcome| match outcome.outcome {
        Some(Outcome::Reservation(reservation)) => Ok(reservation),
        Some(Outcome::Refusal(refusal)) => Err(server::status::refused(refusal)),
        None => Err(Status::unknown("no outcome")),
    }))
}

fn reservation(
    outcome: Result<inventory::Reservation, Status>,
    items: &[(OfferId, Quantity)],
) -> Result<Reservation, CallError> {
    let reservation = read(outcome.map_err(failed(Inventory::NAME))?)?;
    let reserved = reservation.lines.iter().map(|line| (line.offer, line.quantity));
    if !reserved.eq(items.iter().copied()) {
        return Err(nonsense(Inventory::NAME, &"other lines than were asked for"));
    }
    Ok(reservation)
}

fn commitment(outcome: Result<inventory::Reservation, Status>) -> Result<Commitment, CallError> {
    match outcome {
        Ok(reservation) => match reservation.state() {
            ReservationState::Committed => Ok(Commitment::Committed),
            ReservationState::Released | ReservationState::Expired | ReservationState::Restocked => {
                Ok(Commitment::Lost)
            }
            ReservationState::Held | ReservationState::Unspecified => {
                Err(nonsense(Inventory::NAME, &"a state that no commit leads to"))
            }
        },
        // Every order's reservation was made first: this is another database, or an older one. Losing paid orders to it
        // for good would be worse than keeping them waiting until somebody has looked.
        Err(status) if status.code() == Code::NotFound => {
            Err(nonsense(Inventory::NAME, &"no such reservation, though an order has it"))
        }
        Err(status) => Err(failed(Inventory::NAME)(status)),
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
