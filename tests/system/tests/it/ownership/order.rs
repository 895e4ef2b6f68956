use auth::Permission;
use prost::Name;
use proto::order::v1::{
    CancelOrderRequest, GetOrderHistoryRequest, GetOrderRequest, GetOrderStatusRequest, WatchOrderRequest,
};
use system_tests::Service;

use super::{
    row::{Row, Whose},
    world::{World, new_request_id},
};

const AN_ORDER: Whose = Whose::TheUsers { missing: "ORDER_NOT_FOUND", but_for: None };

pub(crate) fn rows() -> Vec<Row> {
    vec![
        // To the owner's address.
        row(
            "/bookstore.order.v1.OrderService/PlaceOrder",
            Whose::TheUsers { missing: "ADDRESS_NOT_FOUND", but_for: None },
            |world| world.owner.order_of(&new_request_id(), &[(&world.book, 1)]),
        )
        .taking(Permission::ORDERS_PLACE),
        row("/bookstore.order.v1.OrderService/GetOrder", AN_ORDER, |world| GetOrderRequest {
            order_id: world.withdrawn.clone(),
        }),
        row("/bookstore.order.v1.OrderService/GetOrderStatus", AN_ORDER, |world| GetOrderStatusRequest {
            order_id: world.kept.clone(),
        }),
        row("/bookstore.order.v1.OrderService/WatchOrder", AN_ORDER, |world| WatchOrderRequest {
            order_id: world.kept.clone(),
        }),
        row("/bookstore.order.v1.OrderService/GetOrderHistory", Whose::TheCallers, |_| {
            GetOrderHistoryRequest::default()
        }),
        row("/bookstore.order.v1.OrderService/CancelOrder", AN_ORDER, |world| CancelOrderRequest {
            request_id: new_request_id(),
            order_id: world.kept.clone(),
            note: "by whomever".to_owned(),
        }),
    ]
}

fn row<M: Name>(
    path: &'static str,
    whose: Whose,
    request: impl Fn(&World) -> M + Send + Sync + 'static,
) -> Row {
    Row::new(path, Service::Order, whose, request)
}
