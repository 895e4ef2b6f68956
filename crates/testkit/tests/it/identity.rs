use anyhow::Result;
use auth::Permission;
use proto::identity::v1::{
    GetAddressRequest, GetJwksRequest, identity_service_client::IdentityServiceClient,
};
use testkit::{Certificates, TRUST_DOMAIN, TestIdentity, as_user, certificates, channel_as, mesh_client};
use tonic::{Code, transport::Endpoint};
use values::{Clock, UserId};

#[tokio::test]
async fn tokens_verify_with_the_keys_it_serves() -> Result<()> {
    let identity = TestIdentity::start().await?;
    let user = UserId::new();
    let token = identity.token(user)?;
    let customer = identity.verifier().verify(&token, Clock::system().now()).await?;
    assert_eq!(customer.user_id, user);
    assert_eq!(customer.permissions(), [Permission::ORDERS_PLACE]);
    let token = identity.token_with(user, &[Permission::USERS_READ])?;
    let staff = identity.verifier().verify(&token, Clock::system().now()).await?;
    assert_eq!(staff.permissions(), [Permission::USERS_READ]);

    let mut client = IdentityServiceClient::new(identity.channel_as("order")?);
    assert_eq!(client.get_jwks(GetJwksRequest {}).await?.into_inner().keys.len(), 1);
    Ok(())
}

#[tokio::test]
async fn an_address_is_its_owners_alone() -> Result<()> {
    let identity = TestIdentity::start().await?;
    let (owner, other) = (UserId::new(), UserId::new());
    let address_id = identity.add_address(owner).to_string();
    let mut client = IdentityServiceClient::new(identity.channel_as("order")?);
    let mut read = async |user| {
        let message = GetAddressRequest { address_id: address_id.clone() };
        anyhow::Ok(client.get_address(as_user(&identity.token(user)?, message)?).await)
    };
    assert_eq!(read(owner).await??.into_inner().address_id, address_id);
    assert_eq!(read(other).await?.unwrap_err().code(), Code::NotFound);
    Ok(())
}

#[tokio::test]
async fn it_is_reached_as_services_reach_each_other_only() -> Result<()> {
    let identity = TestIdentity::start().await?;
    let keys = GetJwksRequest {};
    let client = mesh_client("order", "identity", identity.address())?;
    IdentityServiceClient::new(client).get_jwks(keys).await?;

    let plain = Endpoint::from_shared(format!("http://{}", identity.address()))?.connect_lazy();
    IdentityServiceClient::new(plain).get_jwks(keys).await.unwrap_err();
    // Neither as somebody of elsewhere, nor in search of another service.
    let stranger = Certificates::new(TRUST_DOMAIN)?.identity("order")?;
    let elsewhere = channel_as(&stranger, "identity", identity.address())?;
    IdentityServiceClient::new(elsewhere).get_jwks(keys).await.unwrap_err();
    let misled = channel_as(&certificates()?.identity("order")?, "payment", identity.address())?;
    IdentityServiceClient::new(misled).get_jwks(keys).await.unwrap_err();
    Ok(())
}
