use std::fmt::Display;

use anyhow::Result;
use proto::identity::v1::{GetContactRequest, GetDeliveryAddressRequest};
use testkit::as_user;
use tonic::Code;
use values::{AddressId, UserId};

use crate::desk::{Desk, address, refused, wrong_fields};

fn contact(user: &impl Display) -> GetContactRequest {
    GetContactRequest { user_id: user.to_string() }
}

fn delivery(user: &impl Display, address: &impl Display) -> GetDeliveryAddressRequest {
    GetDeliveryAddressRequest { user_id: user.to_string(), address_id: address.to_string() }
}

#[tokio::test]
async fn notification_and_order_learn_where_to_write_to_and_nobody_else() -> Result<()> {
    let desk = Desk::open().await?;
    let ada = desk.reader("ada@example.org").await?;
    for service in ["notification", "order"] {
        let told = desk.client_as(service)?.get_contact(contact(&ada.id)).await?.into_inner();
        assert_eq!((told.email.as_str(), told.display_name.as_str()), ("ada@example.org", "Ada Lovelace"));
        let nobody = desk.client_as(service)?.get_contact(contact(&UserId::new())).await;
        assert_eq!(refused(nobody, Code::NotFound)?, "USER_NOT_FOUND");
    }
    for service in ["payment", "gateway"] {
        let answer = desk.client_as(service)?.get_contact(as_user(&ada.token, contact(&ada.id))?).await;
        assert_eq!(refused(answer, Code::PermissionDenied)?, "SERVICES_ONLY");
    }
    let malformed = desk.client_as("order")?.get_contact(contact(&"ada")).await;
    assert_eq!(wrong_fields(malformed)?, ["user_id"]);
    Ok(())
}

#[tokio::test]
async fn order_reads_a_users_address_and_nobody_else_does() -> Result<()> {
    let desk = Desk::open().await?;
    let (ada, grace) = (desk.reader("ada@example.org").await?, desk.reader("grace@example.org").await?);
    let stored = desk.client.clone().create_address(as_user(&ada.token, address("a-1"))?).await?.into_inner();
    let mut order = desk.client_as("order")?;
    let told = order.get_delivery_address(delivery(&ada.id, &stored.address_id)).await?.into_inner();
    assert_eq!(told, stored);
    for (user, address) in [(grace.id, stored.address_id.clone()), (ada.id, AddressId::new().to_string())] {
        let answer = order.get_delivery_address(delivery(&user, &address)).await;
        assert_eq!(refused(answer, Code::NotFound)?, "ADDRESS_NOT_FOUND");
    }
    for service in ["notification", "gateway"] {
        let request = as_user(&ada.token, delivery(&ada.id, &stored.address_id))?;
        let answer = desk.client_as(service)?.get_delivery_address(request).await;
        assert_eq!(refused(answer, Code::PermissionDenied)?, "SERVICES_ONLY");
    }
    assert_eq!(
        wrong_fields(order.get_delivery_address(delivery(&"", &"")).await)?,
        ["user_id", "address_id"]
    );
    Ok(())
}
