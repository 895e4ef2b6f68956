//! What the service answers, one file an RPC.

mod add_book;
mod add_shop_member;
mod adjust_stock;
mod batch_get_books;
mod batch_reservations;
mod check_availability;
mod commit_reservation;
mod create_location;
mod delete_book;
mod facts;
mod get_book_details;
mod get_shop;
mod get_stock;
mod import_catalogue;
mod lines;
mod list_books;
mod list_locations;
mod list_my_shops;
mod list_shop_members;
mod list_shops;
mod list_stock_movements;
mod register_shop;
mod release_reservation;
mod remove_shop_member;
mod reserve_stock;
mod update_book;
mod update_shop;
mod wire;

use std::time::Duration;

use auth::{Customer, Permission};
use batch::{Batcher, Limits};
use events::Wake;
use proto::inventory::v1::{self as pb, inventory_service_server::InventoryService};
use sea_orm::{ConnectionTrait, DatabaseConnection};
use server::caller::customer;
use tonic::{Request, Response, Status, Streaming};
use values::ShopId;

use crate::{
    domain::Trigger,
    error::Error,
    steps::{Reserve, Settle},
    store::{
        self,
        members::{Access, Work},
    },
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

    /// Lets only those pass who may do this `work` in a shop.
    async fn may(&self, caller: &Customer, shop: ShopId, work: Work) -> Result<(), Error> {
        may(&self.db, caller, shop, work).await
    }
}

/// Lets only those pass who may do this `work` in a shop, as the transaction sees it.
async fn may(db: &impl ConnectionTrait, caller: &Customer, shop: ShopId, work: Work) -> Result<(), Error> {
    match store::members::may(db, caller.user_id, shop, work).await? {
        Access::Granted => Ok(()),
        Access::Denied => Err(Error::NotTheirs(work)),
        Access::NoShop => Err(Error::not_found("shop", &shop)),
    }
}

/// As [`may`], and lets those pass who see to the whole catalogue: they can give a shop an owner that has lost its own.
async fn may_see_to_people(
    db: &impl ConnectionTrait,
    caller: &Customer,
    shop: ShopId,
    work: Work,
) -> Result<(), Error> {
    match may(db, caller, shop, work).await {
        Err(Error::NotTheirs(_)) if caller.may(Permission::CATALOGUE_MANAGE) => Ok(()),
        answer => answer,
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

    async fn batch_reserve_stock(
        &self,
        call: Request<pb::BatchReserveStockRequest>,
    ) -> Answer<pb::BatchReservationsResponse> {
        Ok(Response::new(batch_reservations::reserve(self, call.into_inner()).await?))
    }

    async fn batch_commit_reservations(
        &self,
        call: Request<pb::BatchCommitReservationsRequest>,
    ) -> Answer<pb::BatchReservationsResponse> {
        Ok(Response::new(batch_reservations::commit(self, call.into_inner()).await?))
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

    async fn get_shop(&self, call: Request<pb::GetShopRequest>) -> Answer<pb::Shop> {
        Ok(Response::new(get_shop::get_shop(self, call.into_inner()).await?))
    }

    async fn update_shop(&self, call: Request<pb::UpdateShopRequest>) -> Answer<pb::Shop> {
        let caller = customer(&call)?;
        Ok(Response::new(update_shop::update_shop(self, &caller, call.into_inner()).await?))
    }

    async fn list_shops(&self, call: Request<pb::ListShopsRequest>) -> Answer<pb::ListShopsResponse> {
        Ok(Response::new(list_shops::list_shops(self, call.into_inner()).await?))
    }

    async fn add_shop_member(&self, call: Request<pb::AddShopMemberRequest>) -> Answer<pb::ShopMember> {
        let caller = customer(&call)?;
        Ok(Response::new(add_shop_member::add_shop_member(self, &caller, call.into_inner()).await?))
    }

    async fn remove_shop_member(
        &self,
        call: Request<pb::RemoveShopMemberRequest>,
    ) -> Answer<pb::RemoveShopMemberResponse> {
        let caller = customer(&call)?;
        Ok(Response::new(remove_shop_member::remove_shop_member(self, &caller, call.into_inner()).await?))
    }

    async fn list_shop_members(
        &self,
        call: Request<pb::ListShopMembersRequest>,
    ) -> Answer<pb::ListShopMembersResponse> {
        let caller = customer(&call)?;
        Ok(Response::new(list_shop_members::list_shop_members(self, &caller, call.into_inner()).await?))
    }

    async fn list_my_shops(&self, call: Request<pb::ListMyShopsRequest>) -> Answer<pb::ListMyShopsResponse> {
        let caller = customer(&call)?;
        Ok(Response::new(list_my_shops::list_my_shops(self, &caller, call.into_inner()).await?))
    }

    async fn create_location(&self, call: Request<pb::CreateLocationRequest>) -> Answer<pb::Location> {
        let caller = customer(&call)?;
        Ok(Response::new(create_location::create_location(self, &caller, call.into_inner()).await?))
    }

    async fn list_locations(
        &self,
        call: Request<pb::ListLocationsRequest>,
    ) -> Answer<pb::ListLocationsResponse> {
        let caller = customer(&call)?;
        Ok(Response::new(list_locations::list_locations(self, &caller, call.into_inner()).await?))
    }

    async fn update_book(&self, call: Request<pb::UpdateBookRequest>) -> Answer<pb::Book> {
        let caller = customer(&call)?;
        Ok(Response::new(update_book::update_book(self, &caller, call.into_inner()).await?))
    }

    async fn delete_book(&self, call: Request<pb::DeleteBookRequest>) -> Answer<pb::DeleteBookResponse> {
        let caller = customer(&call)?;
        Ok(Response::new(delete_book::delete_book(self, &caller, call.into_inner()).await?))
    }

    async fn batch_get_books(
        &self,
        call: Request<pb::BatchGetBooksRequest>,
    ) -> Answer<pb::BatchGetBooksResponse> {
        Ok(Response::new(batch_get_books::batch_get_books(self, call.into_inner()).await?))
    }

    async fn import_catalogue(
        &self,
        call: Request<Streaming<pb::ImportCatalogueRequest>>,
    ) -> Answer<pb::ImportCatalogueResponse> {
        let caller = customer(&call)?;
        Ok(Response::new(import_catalogue::import_catalogue(self, &caller, call.into_inner()).await?))
    }

    async fn list_stock_movements(
        &self,
        call: Request<pb::ListStockMovementsRequest>,
    ) -> Answer<pb::ListStockMovementsResponse> {
        let caller = customer(&call)?;
        Ok(Response::new(list_stock_movements::list_stock_movements(self, &caller, call.into_inner()).await?))
    }
}

type Answer<T> = Result<Response<T>, Status>;
