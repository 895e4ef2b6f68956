use std::future::Future;

use futures::future::join_all;
use proto::inventory::v1::{self as pb, reservation_outcome::Outcome};
use server::status;
use tonic::Status;
use values::Violations;

use super::{Inventory, commit_reservation::commit_reservation, reserve_stock::reserve_stock};
use crate::error::Error;

/// How many requests one call may carry.
const MAX_REQUESTS: usize = 256;

/// Sets stock aside for many orders, each for itself: all of them queue at once, and so share a transaction.
///
/// # Errors
/// `INVALID_ARGUMENT` no request or too many
pub(super) async fn reserve(
    inventory: &Inventory,
    wire: pb::BatchReserveStockRequest,
) -> Result<pb::BatchReservationsResponse, Error> {
    each(wire.requests, |request| reserve_stock(inventory, request)).await
}

/// Takes the stock of many orders off the shelf, each for itself.
///
/// # Errors
/// `INVALID_ARGUMENT` no request or too many
pub(super) async fn commit(
    inventory: &Inventory,
    wire: pb::BatchCommitReservationsRequest,
) -> Result<pb::BatchReservationsResponse, Error> {
    each(wire.requests, |request| commit_reservation(inventory, request)).await
}

async fn each<R, F>(requests: Vec<R>, ask: impl Fn(R) -> F) -> Result<pb::BatchReservationsResponse, Error>
where
    F: Future<Output = Result<pb::Reservation, Error>>,
{
    if !(1..=MAX_REQUESTS).contains(&requests.len()) {
        let mut violations = Violations::new();
        violations.add("requests", format!("must have 1 to {MAX_REQUESTS} requests"));
        return Err(violations.into());
    }
    let outcomes = join_all(requests.into_iter().map(ask)).await.into_iter().map(|answer| {
        let outcome = match answer {
            Ok(reservation) => Outcome::Reservation(reservation),
            Err(error) => Outcome::Refusal(status::refusal(&Status::from(error))),
        };
        pb::ReservationOutcome { outcome: Some(outcome) }
    });
    Ok(pb::BatchReservationsResponse { outcomes: outcomes.collect() })
}
