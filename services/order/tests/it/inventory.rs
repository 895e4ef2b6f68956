//! An inventory that does what the test says.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::Result;
use proto::{
    inventory::v1::{
        BatchCommitReservationsRequest, BatchReservationsResponse, BatchReserveStockRequest,
        CommitReservationRequest, Reservation, ReservationOutcome, ReservationState, ReserveStockRequest,
        ReservedLine,
        inventory_service_server::{InventoryService, InventoryServiceServer},
        reservation_outcome::Outcome,
    },
    types::v1::{Money, Refusal},
};
use tokio::{net::TcpListener, sync::Semaphore, task::JoinHandle};
use tonic::{Code, Request, Response, Status, transport::Server};
use values::{EditionId, OfferId, ReservationId, ShopId};

/// What a copy of any book costs.
pub(crate) const PRICE: i64 = 9_99;

/// How an RPC of the inventory behaves.
#[derive(Clone, Default)]
pub(crate) enum Behaviour {
    /// As it should.
    #[default]
    Answers,
    /// Refuses or breaks.
    Fails(Status),
    /// Never answers.
    Hangs,
    /// Answers as often as the test adds permits.
    Waits(Arc<Semaphore>),
}

impl Behaviour {
    async fn happen(&self) -> Result<(), Status> {
        match self {
            Self::Answers => Ok(()),
            Self::Fails(status) => Err(status.clone()),
            Self::Hangs => std::future::pending().await,
            Self::Waits(permits) => {
                permits.acquire().await.map_err(|_| Status::internal("the test ended"))?.forget();
                Ok(())
            }
        }
    }
}

#[derive(Default)]
struct Books {
    reservations: HashMap<String, Reservation>,
    reserve: Behaviour,
    commit: Behaviour,
    reserve_calls: usize,
    /// How long each call said that it may take.
    commit_timeouts: Vec<String>,
    /// Whose an offer is; every other one is of a shop of its own.
    shops: HashMap<OfferId, ShopId>,
}

/// Every offer exists and costs [`PRICE`]; its shop never runs out of it unless the test says so.
pub(crate) struct TestInventory {
    address: SocketAddr,
    desk: Desk,
    server: JoinHandle<()>,
}

#[derive(Clone, Default)]
struct Desk(Arc<Mutex<Books>>);

impl Desk {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TestInventory {
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let desk = Desk::default();
        let service =
            Server::builder().add_service(InventoryServiceServer::new(desk.clone())).serve_with_incoming(
                testkit::over_tls(listener, testkit::certificates()?.identity("inventory")?),
            );
        let server = tokio::spawn(async move {
            // It ends with the test only.
            let _ = service.await;
        });
        Ok(Self { address, desk, server })
    }

    pub(crate) fn target(&self) -> String {
        format!("ipv4:{}", self.address)
    }

    /// A new offer of this shop.
    pub(crate) fn offer_of(&self, shop: ShopId) -> OfferId {
        let offer = OfferId::new();
        self.desk.books().shops.insert(offer, shop);
        offer
    }

    pub(crate) fn on_reserve(&self, behaviour: Behaviour) {
        self.desk.books().reserve = behaviour;
    }

    pub(crate) fn on_commit(&self, behaviour: Behaviour) {
        self.desk.books().commit = behaviour;
    }

    pub(crate) fn reserve_calls(&self) -> usize {
        self.desk.books().reserve_calls
    }

    pub(crate) fn commit_calls(&self) -> usize {
        self.desk.books().commit_timeouts.len()
    }

    /// The `grpc-timeout` of every commit so far.
    pub(crate) fn commit_timeouts(&self) -> Vec<String> {
        self.desk.books().commit_timeouts.clone()
    }

    /// Every reservation there is.
    pub(crate) fn reservations(&self) -> Vec<(String, Reservation)> {
        self.desk.books().reservations.clone().into_iter().collect()
    }

    /// Brings every reservation to this state, whatever it was.
    pub(crate) fn bring_all_to(&self, state: ReservationState) {
        for reservation in self.desk.books().reservations.values_mut() {
            reservation.set_state(state);
        }
    }
}

impl Drop for TestInventory {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn reserve(key: &str, request: &ReserveStockRequest, shops: &HashMap<OfferId, ShopId>) -> Reservation {
    let shop_of = |offer: &str| offer.parse().ok().and_then(|offer: OfferId| shops.get(&offer).copied());
    let lines = request.lines.iter().map(|line| ReservedLine {
        offer_id: line.offer_id.clone(),
        edition_id: EditionId::new().to_string(),
        shop_id: shop_of(&line.offer_id).unwrap_or_else(ShopId::new).to_string(),
        title: format!("A book for {}", key.len()),
        quantity: line.quantity,
        unit_price: Some(Money { minor_units: PRICE, currency_code: "EUR".to_owned() }),
    });
    Reservation {
        reservation_id: ReservationId::new().to_string(),
        state: ReservationState::Held.into(),
        lines: lines.collect(),
        expire_time: None,
    }
}

#[tonic::async_trait]
impl InventoryService for Desk {
    async fn reserve_stock(
        &self,
        request: Request<ReserveStockRequest>,
    ) -> Result<Response<Reservation>, Status> {
        let behaviour = {
            let mut books = self.books();
            books.reserve_calls += 1;
            books.reserve.clone()
        };
        behaviour.happen().await?;
        let request = request.into_inner();
        let mut guard = self.books();
        let books = &mut *guard;
        let key = request.key.clone();
        let reservation =
            books.reservations.entry(key).or_insert_with_key(|key| reserve(key, &request, &books.shops));
        if !reservation
            .lines
            .iter()
            .map(|line| &line.offer_id)
            .eq(request.lines.iter().map(|line| &line.offer_id))
        {
            return Err(Status::already_exists("the key has other lines"));
        }
        Ok(Response::new(reservation.clone()))
    }

    async fn commit_reservation(
        &self,
        request: Request<CommitReservationRequest>,
    ) -> Result<Response<Reservation>, Status> {
        let timeout = request.metadata().get("grpc-timeout").and_then(|timeout| timeout.to_str().ok());
        let behaviour = {
            let mut books = self.books();
            books.commit_timeouts.push(timeout.unwrap_or_default().to_owned());
            books.commit.clone()
        };
        behaviour.happen().await?;
        let id = request.into_inner().reservation_id;
        let mut books = self.books();
        let reservation =
            books.reservations.values_mut().find(|reservation| reservation.reservation_id == id);
        let reservation = reservation.ok_or_else(|| Status::not_found("no such reservation"))?;
        if reservation.state() == ReservationState::Held {
            reservation.set_state(ReservationState::Committed);
        }
        Ok(Response::new(reservation.clone()))
    }

    async fn batch_reserve_stock(
        &self,
        request: Request<BatchReserveStockRequest>,
    ) -> Result<Response<BatchReservationsResponse>, Status> {
        let answers = request.into_inner().requests.into_iter();
        outcomes(answers.map(|request| self.reserve_stock(Request::new(request)))).await
    }

    async fn batch_commit_reservations(
        &self,
        request: Request<BatchCommitReservationsRequest>,
    ) -> Result<Response<BatchReservationsResponse>, Status> {
        let timeout = request.metadata().get("grpc-timeout").cloned();
        let answers = request.into_inner().requests.into_iter().map(|request| {
            let mut request = Request::new(request);
            if let Some(timeout) = &timeout {
                request.metadata_mut().insert("grpc-timeout", timeout.clone());
            }
            self.commit_reservation(request)
        });
        outcomes(answers).await
    }
}

/// Of each request alone; one that cannot be answered at all stands for the call.
async fn outcomes(
    answers: impl Iterator<Item = impl Future<Output = Result<Response<Reservation>, Status>>>,
) -> Result<Response<BatchReservationsResponse>, Status> {
    let mut outcomes = Vec::new();
    for answer in futures::future::join_all(answers).await {
        let outcome = match answer {
            Ok(reservation) => Outcome::Reservation(reservation.into_inner()),
            Err(status) if status.code() == Code::Unavailable => return Err(status),
            Err(status) => Outcome::Refusal(Refusal {
                code: status.code() as i32,
                message: status.message().to_owned(),
                details: status.details().to_vec(),
            }),
        };
        outcomes.push(ReservationOutcome { outcome: Some(outcome) });
    }
    Ok(Response::new(BatchReservationsResponse { outcomes }))
}
