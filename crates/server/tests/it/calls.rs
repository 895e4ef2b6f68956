//! Deadlines, panics, messages that can't be taken, and what is told about the service.

use anyhow::Result;
use futures::StreamExt as _;
use prost::Message as _;
use proto::order::v1::WatchOrderRequest;
use tokio::time::Instant;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::{
    raw::{self, GET_ORDER, WATCH_ORDER},
    shop::{self, order},
};

fn reason(status: &tonic::Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

#[tokio::test]
async fn a_handler_that_panics_answers_internal_and_harms_no_neighbour() -> Result<()> {
    let shop = shop::start().await?;
    let mut orders = shop.orders()?;
    let mut neighbour = orders.clone();
    let neighbours = tokio::spawn(async move { neighbour.get_order(order("slow")).await });
    shop.desk.begun.notified().await;

    let refused = orders.get_order(order("panic")).await.unwrap_err();

    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Internal, "INTERNAL"));
    assert!(!refused.message().contains("as asked"), "the cause stays in the log: {refused}");
    shop.desk.finish.cancel();
    assert_eq!(neighbours.await??.into_inner().order_id, "slow");
    assert_eq!(orders.get_order(order("next")).await?.into_inner().order_id, "next");
    shop.stopped().await
}

#[tokio::test]
async fn a_stream_that_panics_ends_with_internal() -> Result<()> {
    let shop = shop::start().await?;
    let request = WatchOrderRequest { order_id: "panic".to_owned() };
    let mut statuses = shop.orders()?.watch_order(request).await?.into_inner();
    assert!(statuses.next().await.is_some_and(|first| first.is_ok()));

    let ended = statuses.next().await.unwrap().unwrap_err();

    assert_eq!(ended.code(), Code::Internal);
    shop.stopped().await
}

#[tokio::test]
async fn a_call_ends_at_its_deadline() -> Result<()> {
    let shop = shop::start().await?;
    let begun = Instant::now();

    let body = raw::framed(&order("slow").encode_to_vec())?;
    let status = raw::call(&shop, GET_ORDER, &[("grpc-timeout", "200m")], body).await?;

    assert_eq!((status.code(), reason(&status).as_str()), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"));
    assert!(begun.elapsed().as_millis() >= 200, "too early: {:?}", begun.elapsed());
    shop.stopped().await
}

#[tokio::test]
async fn a_stream_ends_at_its_deadline() -> Result<()> {
    let shop = shop::start().await?;

    let body = raw::framed(&WatchOrderRequest { order_id: "any".to_owned() }.encode_to_vec())?;
    let status = raw::call(&shop, WATCH_ORDER, &[("grpc-timeout", "200m")], body).await?;

    assert_eq!(status.code(), Code::DeadlineExceeded);
    shop.stopped().await
}

#[tokio::test]
async fn a_malformed_deadline_is_the_callers_fault() -> Result<()> {
    let shop = shop::start().await?;

    let body = raw::framed(&order("any").encode_to_vec())?;
    let status = raw::call(&shop, GET_ORDER, &[("grpc-timeout", "soon")], body).await?;

    assert_eq!(status.code(), Code::InvalidArgument);
    let wrong = status.get_details_bad_request().unwrap().field_violations;
    assert_eq!(wrong[0].field, "grpc-timeout");
    shop.stopped().await
}

#[tokio::test]
async fn a_message_that_cannot_be_decoded_is_the_callers_fault() -> Result<()> {
    let shop = shop::start().await?;
    let cut_off_in_a_field = raw::framed(&[0x0a, 0x7f, b'o'])?;
    let no_message_at_all = Vec::new();

    for body in [cut_off_in_a_field, no_message_at_all] {
        let status = raw::call(&shop, GET_ORDER, &[], body).await?;
        assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "MALFORMED_MESSAGE"));
    }
    shop.stopped().await
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused_before_it_is_read() -> Result<()> {
    let shop = shop::start().await?;
    let announced = [&[0], 300_000_u32.to_be_bytes().as_slice(), b"and no more"].concat();

    let status = raw::call(&shop, GET_ORDER, &[], announced).await?;

    assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "MESSAGE_TOO_LARGE"));
    assert!(status.message().contains("300000"), "{status}");
    let accepted = shop.orders()?.get_order(order(&"x".repeat(250_000))).await?;
    assert_eq!(accepted.into_inner().order_id.len(), 250_000);
    shop.stopped().await
}

#[tokio::test]
async fn an_unknown_method_is_unimplemented() -> Result<()> {
    let shop = shop::start().await?;
    for method in ["/bookstore.order.v1.OrderService/Burn", "/bookstore.nobody.v1.Nobody/Get"] {
        let status = raw::call(&shop, method, &[], raw::framed(&[])?).await?;
        assert_eq!(status.code(), Code::Unimplemented, "{method}");
    }
    shop.stopped().await
}

#[tokio::test]
async fn reflection_serves_the_contract() -> Result<()> {
    use tonic_reflection::pb::v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };
    let shop = shop::start().await?;
    let mut reflection = ServerReflectionClient::new(shop.channel_as("gateway")?);
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };

    let mut answers = reflection.server_reflection_info(futures::stream::iter([request])).await?.into_inner();

    let Some(MessageResponse::ListServicesResponse(listed)) = answers.next().await.unwrap()?.message_response
    else {
        anyhow::bail!("no list of services");
    };
    let names: Vec<_> = listed.service.into_iter().map(|service| service.name).collect();
    for name in ["bookstore.order.v1.OrderService", "grpc.health.v1.Health"] {
        assert!(names.iter().any(|listed| listed == name), "{name} is missing in {names:?}");
    }
    shop.stopped().await
}

#[tokio::test]
async fn the_admin_port_tells_health_metrics_and_version() -> Result<()> {
    let shop = shop::start().await?;
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(raw::get(shop.admin, path).await?.0, "HTTP/1.1 200 OK", "{path}");
    }
    let version = raw::get(shop.admin, "/version").await?.1;
    let version: serde_json::Value = serde_json::from_str(&version)?;
    assert_eq!(
        (&version["service"], &version["version"]),
        (&"shop".into(), &env!("CARGO_PKG_VERSION").into())
    );
    assert!(version["commit"].as_str().is_some_and(|commit| !commit.is_empty()), "{version}");
    let named = shop.admin_health("bookstore.order.v1.OrderService").await?;
    assert_eq!(named.as_str_name(), "SERVING");
    shop.stopped().await
}
