use auth::Permission;
use prost::Name;
use prost_types::FieldMask;
use proto::inventory::v1::{
    AddBookRequest, AddShopMemberRequest, AdjustStockRequest, BatchCommitReservationsRequest,
    BatchGetBooksRequest, BatchReserveStockRequest, CheckAvailabilityRequest, CommitReservationRequest,
    CreateLocationRequest, DeleteBookRequest, GetBookDetailsRequest, GetShopRequest, GetStockRequest,
    ImportCatalogueRequest, ImportTarget, Line, ListBooksRequest, ListLocationsRequest, ListMyShopsRequest,
    ListShopMembersRequest, ListShopsRequest, ListStockMovementsRequest, RegisterShopRequest,
    ReleaseReservationRequest, RemoveShopMemberRequest, ReserveStockRequest, ShopRole, UpdateBookRequest,
    UpdateShopRequest, adjust_stock_request, get_book_details_request, import_catalogue_request::Piece,
};
use system_tests::Service;

use super::{
    row::{Row, Whose},
    world::{World, euros, new_request_id},
};

/// Of those who see to the whole catalogue too: a shop whose owner is gone gets another from them.
const THE_SHOPS_PEOPLE: Whose = Whose::TheShopsOr(Permission::CATALOGUE_MANAGE);

pub(crate) fn rows() -> Vec<Row> {
    [shops(), books(), stock()].into_iter().flatten().collect()
}

fn shops() -> Vec<Row> {
    vec![
        row("/bookstore.inventory.v1.InventoryService/RegisterShop", Whose::TheCallers, |_| {
            RegisterShopRequest {
                request_id: new_request_id(),
                name: "Another".to_owned(),
                city: "Paris".to_owned(),
            }
        })
        .taking(Permission::SHOPS_REGISTER),
        row("/bookstore.inventory.v1.InventoryService/GetShop", Whose::Everybodys, |world| GetShopRequest {
            shop_id: world.shop_id.clone(),
        }),
        row("/bookstore.inventory.v1.InventoryService/ListShops", Whose::Everybodys, |_| {
            ListShopsRequest::default()
        }),
        row("/bookstore.inventory.v1.InventoryService/ListMyShops", Whose::TheCallers, |_| {
            ListMyShopsRequest::default()
        }),
        row("/bookstore.inventory.v1.InventoryService/UpdateShop", Whose::TheShops, |world| {
            UpdateShopRequest {
                shop_id: world.shop_id.clone(),
                city: "Lyon".to_owned(),
                update_mask: Some(mask("city")),
                ..Default::default()
            }
        }),
        row("/bookstore.inventory.v1.InventoryService/AddShopMember", THE_SHOPS_PEOPLE, |world| {
            AddShopMemberRequest {
                shop_id: world.shop_id.clone(),
                user_id: world.bystander_id.clone(),
                role: ShopRole::Staff.into(),
            }
        }),
        row("/bookstore.inventory.v1.InventoryService/ListShopMembers", THE_SHOPS_PEOPLE, |world| {
            ListShopMembersRequest { shop_id: world.shop_id.clone(), ..Default::default() }
        }),
        row("/bookstore.inventory.v1.InventoryService/RemoveShopMember", THE_SHOPS_PEOPLE, |world| {
            RemoveShopMemberRequest { shop_id: world.shop_id.clone(), user_id: world.bystander_id.clone() }
        }),
        row("/bookstore.inventory.v1.InventoryService/CreateLocation", Whose::TheShops, |world| {
            CreateLocationRequest {
                request_id: new_request_id(),
                shop_id: world.shop_id.clone(),
                name: "The cellar".to_owned(),
            }
        }),
        row("/bookstore.inventory.v1.InventoryService/ListLocations", Whose::TheShops, |world| {
            ListLocationsRequest { shop_id: world.shop_id.clone(), ..Default::default() }
        }),
    ]
}

fn books() -> Vec<Row> {
    vec![
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
        row("/bookstore.inventory.v1.InventoryService/BatchGetBooks", Whose::Everybodys, |world| {
            BatchGetBooksRequest { edition_ids: vec![world.book.edition_id.clone()] }
        }),
        row("/bookstore.inventory.v1.InventoryService/UpdateBook", Whose::TheShops, |world| {
            UpdateBookRequest {
                offer_id: world.spare.offer_id.clone(),
                price: Some(euros(1_100)),
                update_mask: Some(mask("price")),
                ..Default::default()
            }
        }),
        row("/bookstore.inventory.v1.InventoryService/DeleteBook", Whose::TheShops, |world| {
            DeleteBookRequest { offer_id: world.spare.offer_id.clone() }
        }),
        // A feed without rows.
        row("/bookstore.inventory.v1.InventoryService/ImportCatalogue", Whose::TheShops, |world| {
            let target = ImportTarget {
                shop_id: world.shop_id.clone(),
                location_id: world.location_id.clone(),
                ..Default::default()
            };
            ImportCatalogueRequest { piece: Some(Piece::Target(target)) }
        }),
    ]
}

fn stock() -> Vec<Row> {
    vec![
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
        row("/bookstore.inventory.v1.InventoryService/ListStockMovements", Whose::TheShops, |world| {
            ListStockMovementsRequest { offer_id: world.book.offer_id.clone(), ..Default::default() }
        }),
        // Repeated, these answer with the state that is.
        row(
            "/bookstore.inventory.v1.InventoryService/ReserveStock",
            Whose::TheServices(&[Service::Order]),
            |world| ReserveStockRequest { key: world.reservation.0.clone(), lines: lines(world) },
        ),
        row(
            "/bookstore.inventory.v1.InventoryService/CommitReservation",
            Whose::TheServices(&[Service::Order]),
            |world| CommitReservationRequest { reservation_id: world.reservation.1.clone() },
        ),
        row(
            "/bookstore.inventory.v1.InventoryService/BatchReserveStock",
            Whose::TheServices(&[Service::Order]),
            |world| {
                let request = ReserveStockRequest { key: world.reservation.0.clone(), lines: lines(world) };
                BatchReserveStockRequest { requests: vec![request] }
            },
        ),
        row(
            "/bookstore.inventory.v1.InventoryService/BatchCommitReservations",
            Whose::TheServices(&[Service::Order]),
            |world| {
                let request = CommitReservationRequest { reservation_id: world.reservation.1.clone() };
                BatchCommitReservationsRequest { requests: vec![request] }
            },
        ),
        row(
            "/bookstore.inventory.v1.InventoryService/ReleaseReservation",
            Whose::TheServices(&[Service::Order]),
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

fn mask(path: &str) -> FieldMask {
    FieldMask { paths: vec![path.to_owned()] }
}
