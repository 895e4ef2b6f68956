use anyhow::{Context as _, Result};
use prost::Message as _;
use prost_reflect::prost_types::FileDescriptorProto;
use proto::{
    events::v1::{ListRequest, ListResponse, dead_letters_client::DeadLettersClient},
    inventory::v1::ReserveStockRequest,
};
use tonic::{Code, Request, metadata::MetadataValue};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};
use tonic_types::StatusExt as _;

use crate::{
    harness::{Door, gateway},
    raw::{self, Http2},
    stub::{self, Stub},
};

async fn reflect(door: &Door, asked: MessageRequest) -> Result<MessageResponse> {
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(asked) };
    let answers = ServerReflectionClient::new(door.channel()?)
        .server_reflection_info(tokio_stream::iter([request]))
        .await?;
    let answer = answers.into_inner().message().await?.context("no answer")?;
    answer.message_response.context("nothing in the answer")
}

#[tokio::test]
async fn reflection_lists_the_services_of_all() -> Result<()> {
    let door = gateway("ipv4:127.0.0.1:1", |_| {}).await?;

    let MessageResponse::ListServicesResponse(listed) =
        reflect(&door, MessageRequest::ListServices(String::new())).await?
    else {
        anyhow::bail!("another answer")
    };

    let mut names: Vec<_> = listed.service.into_iter().map(|service| service.name).collect();
    names.sort();
    assert_eq!(
        names,
        [
            "bookstore.events.v1.DeadLetters",
            "bookstore.identity.v1.IdentityService",
            "bookstore.inventory.v1.InventoryService",
            "bookstore.notification.v1.NotificationService",
            "bookstore.order.v1.OrderService",
            "bookstore.payment.v1.PaymentService",
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
        ]
    );
    Ok(())
}

#[tokio::test]
async fn reflection_hides_what_only_services_may_call() -> Result<()> {
    let door = gateway("ipv4:127.0.0.1:1", |_| {}).await?;
    let symbol = "bookstore.inventory.v1.InventoryService".to_owned();

    let MessageResponse::FileDescriptorResponse(described) =
        reflect(&door, MessageRequest::FileContainingSymbol(symbol)).await?
    else {
        anyhow::bail!("another answer")
    };

    let file = FileDescriptorProto::decode(&*described.file_descriptor_proto[0])?;
    let methods: Vec<_> = file.service[0].method.iter().map(|method| method.name().to_owned()).collect();
    assert!(methods.contains(&"ListBooks".to_owned()), "{methods:?}");
    for hidden in ["ReserveStock", "CommitReservation", "ReleaseReservation"] {
        assert!(!methods.contains(&hidden.to_owned()), "{hidden}");
    }
    Ok(())
}

#[tokio::test]
async fn what_only_services_may_call_is_never_passed_on() -> Result<()> {
    let stub = Stub::start(async |_| panic!("called")).await?;
    let door = gateway(&stub.target(), |_| {}).await?;

    let refused = door.inventory()?.reserve_stock(ReserveStockRequest::default()).await.unwrap_err();

    assert_eq!(refused.code(), Code::Unimplemented);
    assert_eq!(stub.seen().len(), 0);
    let mut client = Http2::connect(door.address()).await?;
    for path in [
        "/bookstore.inventory.v1.InventoryService/MadeUp",
        "/",
        "/bookstore.inventory.v1.InventoryService/ListBooks/",
    ] {
        let made_up = client.call(path, &[], stub::once(&ReserveStockRequest::default())).await?;
        let made_up = tonic::Status::from_header_map(&raw::whole(made_up).await?.1).context("no status")?;
        assert_eq!((made_up.code(), made_up.message()), (refused.code(), refused.message()), "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn dead_letters_are_asked_of_the_service_that_the_metadata_names() -> Result<()> {
    let order = Stub::start(async |_| stub::answer(&ListResponse::default())).await?;
    let others = Stub::start(async |_| panic!("called")).await?;
    let door =
        gateway(&others.target(), |config| config.order_target = order.target().parse().unwrap()).await?;
    let mut dead_letters = DeadLettersClient::new(door.channel()?);
    let named = |name: &'static str| {
        let mut request = Request::new(ListRequest::default());
        request.metadata_mut().insert("bookstore-service", MetadataValue::from_static(name));
        request
    };

    dead_letters.list(named("order")).await?;
    assert!(!order.last()?.contains_key("bookstore-service"));

    for request in [Request::new(ListRequest::default()), named("storefront"), named("")] {
        let refused = dead_letters.list(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        let info = refused.get_details_error_info().context("no details")?;
        assert_eq!(info.reason, "SERVICE_AMBIGUOUS");
        assert_eq!(info.metadata["choices"], "identity, inventory, order, payment, notification");
        assert!(
            refused.message().contains("identity, inventory, order, payment, notification"),
            "{}",
            refused.message()
        );
    }
    Ok(())
}

#[tokio::test]
async fn the_gateway_tells_of_its_health() -> Result<()> {
    let door = gateway("ipv4:127.0.0.1:1", |_| {}).await?;
    let health = HealthClient::new(door.channel()?).check(HealthCheckRequest::default()).await?;
    assert_eq!(health.get_ref().status(), ServingStatus::Serving);
    Ok(())
}
