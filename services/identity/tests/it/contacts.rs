use std::fmt::Display;

use anyhow::Result;
use proto::identity::v1::{
    BatchGetContactsRequest, BatchGetRecipientsRequest, GetContactRequest, GetDeliveryAddressRequest,
    Recipient, RecipientRequest, contact_outcome, recipient_outcome,
};
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

#[tokio::test]
async fn many_contacts_are_told_at_once_each_for_itself() -> Result<()> {
    let desk = Desk::open().await?;
    let (ada, grace) = (desk.reader("ada@example.org").await?, desk.reader("grace@example.org").await?);
    let nobody = UserId::new();
    let mut notification = desk.client_as("notification")?;
    let requests =
        vec![contact(&grace.id), contact(&nobody), contact(&"ada"), contact(&ada.id), contact(&grace.id)];

    let told = notification.batch_get_contacts(BatchGetContactsRequest { requests }).await?.into_inner();

    let told = told.outcomes.into_iter().filter_map(|one| one.outcome).map(|outcome| match outcome {
        contact_outcome::Outcome::Contact(contact) => Ok(contact.email),
        contact_outcome::Outcome::Refusal(refusal) => Err(Code::from_i32(refusal.code)),
    });
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            Ok("grace@example.org".to_owned()),
            Err(Code::NotFound),
            Err(Code::InvalidArgument),
            Ok("ada@example.org".to_owned()),
            Ok("grace@example.org".to_owned()),
        ]
    );
    for count in [0, 257] {
        let requests = vec![contact(&ada.id); count];
        let answer = notification.batch_get_contacts(BatchGetContactsRequest { requests }).await;
        assert_eq!(wrong_fields(answer)?, ["requests"]);
    }
    let requests = vec![contact(&ada.id)];
    let answer = desk.client_as("order")?.batch_get_contacts(BatchGetContactsRequest { requests }).await;
    assert_eq!(refused(answer, Code::PermissionDenied)?, "SERVICES_ONLY");
    Ok(())
}

#[tokio::test]
async fn order_learns_whom_many_orders_go_to_each_for_itself() -> Result<()> {
    let desk = Desk::open().await?;
    let (ada, grace) = (desk.reader("ada@example.org").await?, desk.reader("grace@example.org").await?);
    let client = desk.client.clone();
    let first = client.clone().create_address(as_user(&ada.token, address("a-1"))?).await?.into_inner();
    let second = client.clone().create_address(as_user(&ada.token, address("a-2"))?).await?.into_inner();
    let mut order = desk.client_as("order")?;
    let asked = |user: &UserId, address: &str| RecipientRequest {
        user_id: user.to_string(),
        address_id: address.to_owned(),
    };
    let requests = vec![
        asked(&ada.id, &second.address_id),
        asked(&grace.id, &first.address_id),
        asked(&ada.id, ""),
        asked(&grace.id, ""),
        asked(&UserId::new(), ""),
        RecipientRequest { user_id: String::new(), address_id: "x".to_owned() },
        asked(&ada.id, &AddressId::new().to_string()),
    ];

    let told = order.batch_get_recipients(BatchGetRecipientsRequest { requests }).await?.into_inner();

    let told = told.outcomes.into_iter().filter_map(|one| one.outcome).map(|outcome| match outcome {
        recipient_outcome::Outcome::Recipient(Recipient { display_name, address }) => {
            Ok((display_name, address.map(|address| address.address_id)))
        }
        recipient_outcome::Outcome::Refusal(refusal) => Err(Code::from_i32(refusal.code)),
    });
    let goes_to = |address: Option<&str>| Ok(("Ada Lovelace".to_owned(), address.map(ToOwned::to_owned)));
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            goes_to(Some(&second.address_id)),
            // Another's address is none.
            Err(Code::NotFound),
            goes_to(Some(&first.address_id)),
            goes_to(None),
            Err(Code::NotFound),
            Err(Code::InvalidArgument),
            Err(Code::NotFound),
        ]
    );
    let requests = vec![asked(&ada.id, "")];
    let answer =
        desk.client_as("notification")?.batch_get_recipients(BatchGetRecipientsRequest { requests }).await;
    assert_eq!(refused(answer, Code::PermissionDenied)?, "SERVICES_ONLY");
    Ok(())
}
