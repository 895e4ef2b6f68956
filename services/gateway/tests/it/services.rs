//! Before a real service, over the mTLS that both speak.

use anyhow::{Context as _, Result};
use auth::SigningKey;
use clap::Parser as _;
use gateway::{Config, Gateway};
use identity::Identity;
use proto::{
    events::v1::{ListRequest, dead_letters_client::DeadLettersClient},
    identity::v1::{
        AuthenticateUserRequest, CreateUserRequest, GetUserRequest, LogoutRequest,
        identity_service_client::IdentityServiceClient,
    },
};
use testkit::{Broker, Running, as_user};
use tonic::{Code, metadata::MetadataValue};
use tonic_types::StatusExt as _;

const PASSWORD: &str = "correct horse battery staple";

struct Shop {
    door: Running,
    _identity: Running,
    _certificates: tempfile::TempDir,
    _broker: Broker,
    _database: testkit::Database,
}

/// A gateway before identity.
async fn shop() -> Result<Shop> {
    let (database, broker) = (testkit::database::<Identity>().await?, Broker::start().await?);
    let certificates = tempfile::tempdir()?;
    let (key, _) = SigningKey::generate();
    let config = identity::Config::new(testkit::config::<Identity>(&database, &broker)?, key);
    let identity = testkit::running::<Identity>(config).await?;
    let mut config = Config::try_parse_from(["gateway"])?;
    config.base = testkit::base::<Gateway>(certificates.path())?;
    config.identity_target = identity.target().parse()?;
    let door = testkit::running_front::<Gateway>(config).await?;
    Ok(Shop { door, _identity: identity, _certificates: certificates, _broker: broker, _database: database })
}

#[tokio::test]
async fn a_user_registers_signs_in_and_out_through_the_door() -> Result<()> {
    let shop = shop().await?;
    let mut identity = IdentityServiceClient::new(shop.door.channel()?);
    let registration = CreateUserRequest {
        request_id: "r-1".to_owned(),
        email: "ada@example.org".to_owned(),
        password: PASSWORD.to_owned(),
        display_name: "Ada".to_owned(),
    };
    let user = identity.create_user(registration).await?.into_inner();
    let sign_in = AuthenticateUserRequest { email: user.email.clone(), password: PASSWORD.to_owned() };
    let token = identity.authenticate_user(sign_in).await?.into_inner().access_token;

    let read = identity.get_user(as_user(&token, GetUserRequest::default())?).await?.into_inner();
    assert_eq!(read, user);
    let nobody = identity.get_user(GetUserRequest::default()).await.unwrap_err();
    assert_eq!(nobody.code(), Code::Unauthenticated);
    assert_eq!(nobody.get_details_error_info().context("no details")?.reason, "SIGN_IN_REQUIRED");

    // The gateway adds its identity, not its authority.
    let mut request = as_user(&token, ListRequest::default())?;
    request.metadata_mut().insert("bookstore-service", MetadataValue::from_static("identity"));
    let refused = DeadLettersClient::new(shop.door.channel()?).list(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);

    identity.logout(as_user(&token, LogoutRequest {})?).await?;
    testkit::eventually("the token is refused", std::time::Duration::from_secs(5), async || {
        let request = as_user(&token, GetUserRequest::default()).ok()?;
        identity
            .clone()
            .get_user(request)
            .await
            .err()
            .filter(|refused| refused.code() == Code::Unauthenticated)
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn errors_of_services_name_the_request() -> Result<()> {
    let shop = shop().await?;
    let mut request = tonic::Request::new(GetUserRequest::default());
    request.metadata_mut().insert("x-request-id", MetadataValue::from_static("click-17"));
    let refused = IdentityServiceClient::new(shop.door.channel()?).get_user(request).await.unwrap_err();
    assert_eq!(refused.get_details_request_info().context("no details")?.request_id, "click-17");
    Ok(())
}
