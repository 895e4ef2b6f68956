use auth::Permission;
use prost::Name;
use proto::inventory::v1::{
    AddBookRequest, AdjustStockRequest, CheckAvailabilityRequest, CommitReservationRequest,
    GetBookDetailsRequest, GetStockRequest, Line, ListBooksRequest, RegisterShopRequest,
    ReleaseReservationRequest, ReserveStockRequest, adjust_stock_request, get_book_details_request,
};
use system_tests::Service;

use super::{
    row::{Row, Whose},
    world::{World, euros, new_request_id},
};

pub(crate) fn rows() -> Vec<Row> {
    vec![
        row("/bookstore.inventory.v1.InventoryService/RegisterShop", Whose::TheCallers, |_| {
            RegisterShopRequest {
                request_id: new_request_id(),
                name: "Another".to_owned(),
                city: "Paris".to_owned(),
            }
        })
        .taking(Permission::SHOPS_REGISTER),
        row("/bookstore.inventory.v1.InventoryService/AddBook", Whose::TheShops, |world| AddBookRequest {
            request_id: new_request_id(),
            shop_id: world.shop_id.clone(),
            title: "Emma".to_owned(),
            authors: vec!["Jane Austen".to_owned()],
            price: Some(euros(500)),
            initial_stock: 1,
            ..Default::default()
        }),
        row("/bookstore.inventory.v1.InventoryService/GetBookDetails", Whose::Everybodys, |world| {
            let edition = get_book_details_request::Book::EditionId(world.book.edition_id.clone());
            GetBookDetailsRequest { book: Some(edition) }
        }),
        row("/bookstore.inventory.v1.InventoryService/ListBooks", Whose::Everybodys, |_| {
            ListBooksRequest::default()
        }),
        row("/bookstore.inventory.v1.InventoryService/CheckAvailability", Whose::Everybodys, |world| {
            CheckAvailabilityRequest { lines: lines(world) }
        }),
        row("/bookstore.inventory.v1.InventoryService/AdjustStock", Whose::TheShops, |world| {
            AdjustStockRequest {
                request_id: new_request_id(),
                offer_id: world.book.offer_id.clone(),
                change: Some(adjust_stock_request::Change::Delta(7)),
                ..Default::default()
            }
        }),
        row("/bookstore.inventory.v1.InventoryService/GetStock", Whose::TheShops, |world| GetStockRequest {
            offer_id: world.book.offer_id.clone(),
        }),
        // Repeated, these answer with the state that is.
        row(
            "/bookstore.inventory.v1.InventoryService/ReserveStock",
            Whose::TheServices(Service::Order),
            |world| ReserveStockRequest { key: world.reservation.0.clone(), lines: lines(world) },
        ),
        row(
            "/bookstore.inventory.v1.InventoryService/CommitReservation",
            Whose::TheServices(Service::Order),
            |world| CommitReservationRequest { reservation_id: world.reservation.1.clone() },
        ),
        row(
            "/bookstore.inventory.v1.InventoryService/ReleaseReservation",
            Whose::TheServices(Service::Order),
            |world| ReleaseReservationRequest { reservation_id: world.reservation.1.clone() },
        ),
    ]
}

fn row<M: Name>(
    path: &'static str,
    whose: Whose,
    request: impl Fn(&World) -> M + Send + Sync + 'static,
) -> Row {
    Row::new(path, Service::Inventory, whose, request)
}

fn lines(world: &World) -> Vec<Line> {
    vec![Line { offer_id: world.book.offer_id.clone(), quantity: 3 }]
}
