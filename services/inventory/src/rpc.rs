//! What the service answers, one file an RPC.

mod add_book;
mod adjust_stock;
mod check_availability;
mod commit_reservation;
mod get_book_details;
mod get_stock;
mod lines;
mod list_books;
mod register_shop;
mod release_reservation;
mod reserve_stock;
mod wire;

use std::time::Duration;

use auth::Customer;
use batch::{Batcher, Limits};
use events::Wake;
use proto::inventory::v1::{self as pb, inventory_service_server::InventoryService};
use sea_orm::DatabaseConnection;
use server::caller::customer;
use tonic::{Request, Response, Status};
use values::ShopId;

use crate::{
    domain::Trigger,
    error::Error,
    steps::{Reserve, Settle},
    store::{self, shops::Access},
};

/// What the RPCs work with.
#[derive(Clone, Debug)]
pub(crate) struct Inventory {
    db: DatabaseConnection,
    relay: Wake,
    reserve: Batcher<Reserve>,
    commit: Batcher<Settle>,
    release: Batcher<Settle>,
}

impl Inventory {
    /// Starts the workers that share transactions.
    pub(crate) fn new(db: DatabaseConnection, relay: Wake, reservation_ttl: Duration) -> Self {
        let settle = |trigger| Settle { db: db.clone(), trigger };
        Self {
            reserve: Batcher::spawn(
                "reserve",
                Reserve { db: db.clone(), ttl: reservation_ttl },
                Limits::default(),
            ),
            commit: Batcher::spawn("commit", settle(Trigger::Commit), Limits::default()),
            release: Batcher::spawn("release", settle(Trigger::Release), Limits::default()),
            db,
            relay,
        }
    }

    /// Lets only the owner of a shop pass.
    async fn owned_by(&self, caller: &Customer, shop: ShopId) -> Result<(), Error> {
        match store::shops::access(&self.db, caller.user_id, shop).await? {
            Access::Owner => Ok(()),
            Access::Stranger => Err(Error::NotTheOwner),
            Access::NoShop => Err(Error::not_found("shop", &shop)),
        }
    }
}

#[tonic::async_trait]
impl InventoryService for Inventory {
    async fn register_shop(&self, call: Request<pb::RegisterShopRequest>) -> Answer<pb::Shop> {
        let caller = customer(&call)?;
        Ok(Response::new(register_shop::register_shop(self, &caller, call.into_inner()).await?))
    }

    async fn add_book(&self, call: Request<pb::AddBookRequest>) -> Answer<pb::Book> {
        let caller = customer(&call)?;
        Ok(Response::new(add_book::add_book(self, &caller, call.into_inner()).await?))
    }

    async fn get_book_details(&self, call: Request<pb::GetBookDetailsRequest>) -> Answer<pb::Book> {
        Ok(Response::new(get_book_details::get_book_details(self, call.into_inner()).await?))
    }

    async fn list_books(&self, call: Request<pb::ListBooksRequest>) -> Answer<pb::ListBooksResponse> {
        Ok(Response::new(list_books::list_books(self, call.into_inner()).await?))
    }

    async fn check_availability(
        &self,
        call: Request<pb::CheckAvailabilityRequest>,
    ) -> Answer<pb::CheckAvailabilityResponse> {
        Ok(Response::new(check_availability::check_availability(self, call.into_inner()).await?))
    }

    async fn adjust_stock(&self, call: Request<pb::AdjustStockRequest>) -> Answer<pb::StockLevel> {
        let caller = customer(&call)?;
        Ok(Response::new(adjust_stock::adjust_stock(self, &caller, call.into_inner()).await?))
    }

    async fn get_stock(&self, call: Request<pb::GetStockRequest>) -> Answer<pb::GetStockResponse> {
        let caller = customer(&call)?;
        Ok(Response::new(get_stock::get_stock(self, &caller, call.into_inner()).await?))
    }

    async fn reserve_stock(&self, call: Request<pb::ReserveStockRequest>) -> Answer<pb::Reservation> {
        Ok(Response::new(reserve_stock::reserve_stock(self, call.into_inner()).await?))
    }

    async fn commit_reservation(
        &self,
        call: Request<pb::CommitReservationRequest>,
    ) -> Answer<pb::Reservation> {
        Ok(Response::new(commit_reservation::commit_reservation(self, call.into_inner()).await?))
    }

    async fn release_reservation(
        &self,
        call: Request<pb::ReleaseReservationRequest>,
    ) -> Answer<pb::Reservation> {
        Ok(Response::new(release_reservation::release_reservation(self, call.into_inner()).await?))
    }
}

type Answer<T> = Result<Response<T>, Status>;
