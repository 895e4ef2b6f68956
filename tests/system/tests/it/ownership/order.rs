use auth::Permission;
use prost::Name;
use proto::order::v1::{
    CancelOrderRequest, GetOrderHistoryRequest, GetOrderRequest, GetOrderStatusRequest, ListOrdersRequest,
    ListReturnsRequest, ListShipmentsRequest, OrderItem, RequestReturnRequest, ResolveReturnRequest,
    ShipmentState, UpdateOrderStatusRequest, WatchOrderRequest,
};
use system_tests::Service;
use tonic::Code;

use super::{
    row::{Row, Whose},
    world::{World, new_request_id},
};

const AN_ORDER: Whose = an_order(None);
const A_SHOPS: Whose = Whose::TheUsers { missing: "SHOP_NOT_FOUND", but_for: Some(Permission::ORDERS_READ) };
const A_RETURN: Whose =
    Whose::TheUsers { missing: "RETURN_NOT_FOUND", but_for: Some(Permission::ORDERS_MANAGE) };

const fn an_order(but_for: Option<Permission>) -> Whose {
    Whose::TheUsers { missing: "ORDER_NOT_FOUND", but_for }
}

pub(crate) fn rows() -> Vec<Row> {
    vec![
        // To the owner's address.
        row(
            "/bookstore.order.v1.OrderService/PlaceOrder",
            Whose::TheUsers { missing: "ADDRESS_NOT_FOUND", but_for: None },
            |world| world.owner.order_of(&new_request_id(), &[(&world.book, 1)]),
        )
        .taking(Permission::ORDERS_PLACE),
        row("/bookstore.order.v1.OrderService/GetOrder", an_order(Some(Permission::ORDERS_READ)), |world| {
            GetOrderRequest { order_id: world.withdrawn.clone() }
        }),
        row(
            "/bookstore.order.v1.OrderService/GetOrderStatus",
            an_order(Some(Permission::ORDERS_READ)),
            |world| GetOrderStatusRequest { order_id: world.kept.clone() },
        ),
        row("/bookstore.order.v1.OrderService/WatchOrder", AN_ORDER, |world| WatchOrderRequest {
            order_id: world.kept.clone(),
        }),
        row("/bookstore.order.v1.OrderService/GetOrderHistory", Whose::TheCallers, |_| {
            GetOrderHistoryRequest::default()
        }),
        // Cancelled already: all who may cancel it learn that.
        row(
            "/bookstore.order.v1.OrderService/CancelOrder",
            an_order(Some(Permission::ORDERS_MANAGE)),
            |world| CancelOrderRequest {
                request_id: new_request_id(),
                order_id: world.withdrawn.clone(),
                note: "by whomever".to_owned(),
            },
        )
        .answering(Code::FailedPrecondition, "ORDER_NOT_CANCELLABLE"),
        row(
            "/bookstore.order.v1.OrderService/UpdateOrderStatus",
            an_order(Some(Permission::ORDERS_MANAGE)),
            |world| UpdateOrderStatusRequest {
                request_id: new_request_id(),
                order_id: world.arrived.clone(),
                shop_id: world.shop_id.clone(),
                state: ShipmentState::Shipped.into(),
                tracking_number: "another".to_owned(),
                ..Default::default()
            },
        )
        .answering(Code::FailedPrecondition, "SHIPMENT_STEP_ILLEGAL"),
        row("/bookstore.order.v1.OrderService/ListShipments", A_SHOPS, |world| ListShipmentsRequest {
            shop_id: world.shop_id.clone(),
            ..Default::default()
        }),
        row("/bookstore.order.v1.OrderService/ListReturns", A_SHOPS, |world| ListReturnsRequest {
            shop_id: world.shop_id.clone(),
            ..Default::default()
        }),
        row(
            "/bookstore.order.v1.OrderService/ListReturns",
            Whose::TheCallersOr(Permission::ORDERS_READ),
            |_| ListReturnsRequest::default(),
        ),
        row("/bookstore.order.v1.OrderService/RequestReturn", AN_ORDER, |world| RequestReturnRequest {
            request_id: new_request_id(),
            order_id: world.arrived.clone(),
            items: vec![OrderItem { offer_id: world.book.offer_id.clone(), quantity: 1 }],
            ..Default::default()
        }),
        row("/bookstore.order.v1.OrderService/ResolveReturn", A_RETURN, |world| ResolveReturnRequest {
            request_id: new_request_id(),
            return_id: world.return_id.clone(),
            accept: true,
            ..Default::default()
        }),
        row("/bookstore.order.v1.OrderService/ListOrders", Whose::TheStaffs, |_| {
            ListOrdersRequest::default()
        })
        .taking(Permission::ORDERS_READ),
    ]
}

fn row<M: Name>(
    path: &'static str,
    whose: Whose,
    request: impl Fn(&World) -> M + Send + Sync + 'static,
) -> Row {
    Row::new(path, Service::Order, whose, request)
}
