//! What inventory is asked for.

use anyhow::{Context, Result, ensure};
use futures::stream;
use prost_types::FieldMask;
use proto::{
    inventory::v1::{
        AddBookRequest, AddShopMemberRequest, AdjustStockRequest, CatalogueRow, CatalogueRows,
        CreateLocationRequest, DeleteBookRequest, ImportCatalogueRequest, ImportCatalogueResponse,
        ImportTarget, Line, ListShopMembersRequest, RegisterShopRequest, ReleaseReservationRequest,
        RemoveShopMemberRequest, ReservationState, ReserveStockRequest, ShopRole, UpdateBookRequest,
        UpdateShopRequest, adjust_stock_request::Change, import_catalogue_request::Piece,
    },
    order::v1::{ShipmentState, UpdateOrderStatusRequest},
};
use system_tests::{Customer, Service, euros, new_request_id};
use testkit::eventually;
use tonic::{Request, Status};

use super::scene::{SOON, Scene, told};

/// Everything that a shop owner does but for parcels.
pub(crate) async fn keeps_shop(scene: &Scene<'_>) -> Result<()> {
    let (owner, inventory) = (scene.seller.owner(), scene.clients.inventory());
    let request = RegisterShopRequest {
        request_id: new_request_id(),
        name: "Librairie".to_owned(),
        city: "Lyon".to_owned(),
    };
    let register = async |request| inventory.clone().register_shop(request).await;
    let shop_id = told(owner, request.clone(), register).await?.shop_id;
    assert_eq!(told(owner, request, register).await?.shop_id, shop_id, "registered twice");
    let request = UpdateShopRequest {
        shop_id: shop_id.clone(),
        city: "Nantes".to_owned(),
        update_mask: Some(FieldMask { paths: vec!["city".to_owned()] }),
        ..Default::default()
    };
    let update = async |request| inventory.clone().update_shop(request).await;
    assert_eq!(told(owner, request, update).await?.city, "Nantes");
    let request_id = new_request_id();
    let request =
        CreateLocationRequest { request_id, shop_id: shop_id.clone(), name: "The cellar".to_owned() };
    let open = async |request| inventory.clone().create_location(request).await;
    let room = told(owner, request.clone(), open).await?.location_id;
    assert_eq!(told(owner, request, open).await?.location_id, room, "opened twice");

    let request = AddBookRequest {
        request_id: new_request_id(),
        shop_id: shop_id.clone(),
        title: format!("Sketch of the Analytical Engine, {}", new_request_id()),
        authors: vec!["L. F. Menabrea".to_owned()],
        price: Some(euros(900)),
        initial_stock: 5,
        ..Default::default()
    };
    let add = async |request| inventory.clone().add_book(request).await;
    let book = told(owner, request.clone(), add).await?;
    let offer_id = book.offers.first().context("no offer")?.offer_id.clone();
    assert_eq!(told(owner, request, add).await?.offers.len(), 1, "offered twice");
    let request = UpdateBookRequest {
        offer_id: offer_id.clone(),
        price: Some(euros(950)),
        update_mask: Some(FieldMask { paths: vec!["price".to_owned()] }),
        ..Default::default()
    };
    told(owner, request, async |request| inventory.clone().update_book(request).await).await?;
    let request = AdjustStockRequest {
        request_id: new_request_id(),
        offer_id: offer_id.clone(),
        location_id: String::new(),
        reason: "found behind the shelf".to_owned(),
        change: Some(Change::Delta(2)),
    };
    let adjust = async |request| inventory.clone().adjust_stock(request).await;
    assert_eq!(told(owner, request.clone(), adjust).await?.on_hand, 7);
    assert_eq!(told(owner, request, adjust).await?.on_hand, 7, "found twice");
    let request = DeleteBookRequest { offer_id };
    told(owner, request, async |request| inventory.clone().delete_book(request).await).await?;

    let customer = scene.shop.customer(0).await?;
    scene.hire(&customer).await?;
    let request =
        RemoveShopMemberRequest { shop_id: scene.seller.shop_id.clone(), user_id: customer.user_id.clone() };
    told(owner, request, async |request| inventory.clone().remove_shop_member(request).await).await?;
    scene.is_no_member(&customer.user_id).await
}

/// A feed of books comes in, as often as it takes.
pub(crate) async fn imports(scene: &Scene<'_>) -> Result<()> {
    const ROWS: i64 = 300;
    let (owner, name) = (scene.seller.owner(), new_request_id());
    let target =
        ImportTarget { shop_id: scene.seller.shop_id.clone(), import_id: name.clone(), ..Default::default() };
    let rows: Vec<CatalogueRow> = (1..=ROWS)
        .map(|number| CatalogueRow {
            number,
            key: format!("{name}-{number}"),
            title: format!("Volume {number} of {name}"),
            authors: vec!["Jane Austen".to_owned()],
            price: "12.90".to_owned(),
            currency_code: "EUR".to_owned(),
            stock: "3".to_owned(),
            ..Default::default()
        })
        .collect();
    let piece = |piece| ImportCatalogueRequest { piece: Some(piece) };
    let mut pieces = vec![piece(Piece::Target(target))];
    pieces.extend(rows.chunks(100).map(|rows| piece(Piece::Rows(CatalogueRows { rows: rows.to_vec() }))));
    let import = async || -> Result<_, Status> {
        let pieces = testkit::as_user(owner.token(), stream::iter(pieces.clone()));
        let pieces: Request<_> = pieces.map_err(|error| Status::aborted(error.to_string()))?;
        scene.clients.inventory().import_catalogue(pieces).await
    };
    let first = scene.clients.answered("ImportCatalogue", import).await?.context("ImportCatalogue")?;
    ensure!(taken(&first) == ROWS && first.rejected == 0, "{first:?}");
    let again = scene.clients.answered("ImportCatalogue", import).await?.context("ImportCatalogue again")?;
    ensure!((taken(&again), again.rejected) == (ROWS, 0), "{again:?}");
    Ok(())
}

const fn taken(answer: &ImportCatalogueResponse) -> i64 {
    answer.created + answer.updated + answer.unchanged
}

/// Stock is set aside for orders that never come: one is given back, the other one's time runs out.
pub(crate) async fn reserves(scene: &Scene<'_>) -> Result<()> {
    let order = scene.shop.clients_as("order", Service::Inventory)?;
    let lines = vec![Line { offer_id: scene.book.offer_id.clone(), quantity: 2 }];
    for is_released in [true, false] {
        let key = format!("{}/{}", scene.admin.user_id, new_request_id());
        let request = ReserveStockRequest { key, lines: lines.clone() };
        let reserve = async || order.inventory().reserve_stock(request.clone()).await;
        let id = order.answered("ReserveStock", reserve).await?.context("ReserveStock")?.reservation_id;
        if is_released {
            let request = ReleaseReservationRequest { reservation_id: id };
            let release = async || order.inventory().release_reservation(request.clone()).await;
            let released =
                order.answered("ReleaseReservation", release).await?.context("ReleaseReservation")?;
            assert_eq!(released.state(), ReservationState::Released);
        } else {
            let id: values::ReservationId = id.parse()?;
            let lapse = format!(
                "UPDATE reservations SET expires_at = now() - interval '1 s' WHERE id = '{}'",
                id.uuid()
            );
            scene.shop.database(Service::Inventory)?.execute(&lapse).await?;
            let again = async || {
                let answer = order.inventory().reserve_stock(request.clone()).await?;
                let state = answer.get_ref().state();
                if state == ReservationState::Held {
                    Ok(answer)
                } else {
                    Err(Status::unavailable("not held"))
                }
            };
            order.answered("ReserveStock again", again).await?.context("ReserveStock again")?;
            scene.shop.database(Service::Inventory)?.execute(&lapse).await?;
        }
    }
    Ok(())
}

impl Scene<'_> {
    /// Takes somebody on as staff.
    pub(crate) async fn hire(&self, customer: &Customer) -> Result<()> {
        let request = AddShopMemberRequest {
            shop_id: self.seller.shop_id.clone(),
            user_id: customer.user_id.clone(),
            role: ShopRole::Staff.into(),
        };
        let add = async |request| self.clients.inventory().add_shop_member(request).await;
        told(self.seller.owner(), request, add).await?;
        Ok(())
    }

    /// Waits until somebody works in the shop no more.
    pub(crate) async fn is_no_member(&self, user_id: &str) -> Result<()> {
        eventually("somebody is staff no more", SOON, async || {
            let request = ListShopMembersRequest {
                shop_id: self.seller.shop_id.clone(),
                page_size: 200,
                ..Default::default()
            };
            let request = self.seller.owner().request(request).ok()?;
            let members =
                self.clients.inventory().list_shop_members(request).await.ok()?.into_inner().members;
            members.iter().all(|member| member.user_id != user_id).then_some(())
        })
        .await
    }

    /// The shop sends an order.
    pub(crate) async fn ship(&self, order_id: &str) -> Result<()> {
        self.moved(order_id, ShipmentState::Shipped, "track").await?;
        self.moved(order_id, ShipmentState::Delivered, "").await
    }

    async fn moved(&self, order_id: &str, state: ShipmentState, tracking_number: &str) -> Result<()> {
        let request = UpdateOrderStatusRequest {
            request_id: new_request_id(),
            order_id: order_id.to_owned(),
            shop_id: self.seller.shop_id.clone(),
            state: state.into(),
            tracking_number: tracking_number.to_owned(),
            ..Default::default()
        };
        let update = async |request| self.clients.order().update_order_status(request).await;
        let shipment = told(self.seller.owner(), request.clone(), update).await?;
        assert_eq!(shipment.state(), state);
        assert_eq!(told(self.seller.owner(), request, update).await?.state(), state, "again");
        Ok(())
    }
}
