use anyhow::Result;
use proto::identity::v1::{
    GetAddressRequest, GetJwksRequest, identity_service_client::IdentityServiceClient,
};
use testkit::{TestIdentity, as_user};
use tonic::Code;
use values::{Clock, UserId};

#[tokio::test]
async fn tokens_verify_with_the_keys_it_serves() -> Result<()> {
    let identity = TestIdentity::start().await?;
    let user = UserId::new();
    let token = identity.token(user)?;
    let caller = identity.verifier().verify(&token, Clock::system().now()).await?;
    assert_eq!(caller.user_id, user);

    let mut client = IdentityServiceClient::connect(format!("http://{}", identity.address())).await?;
    assert_eq!(client.get_jwks(GetJwksRequest {}).await?.into_inner().keys.len(), 1);
    Ok(())
}

#[tokio::test]
async fn an_address_is_its_owners_alone() -> Result<()> {
    let identity = TestIdentity::start().await?;
    let (owner, other) = (UserId::new(), UserId::new());
    let address_id = identity.add_address(owner).to_string();
    let mut client = IdentityServiceClient::connect(format!("http://{}", identity.address())).await?;
    let mut read = async |user| {
        let message = GetAddressRequest { address_id: address_id.clone() };
        anyhow::Ok(client.get_address(as_user(&identity.token(user)?, message)?).await)
    };
    assert_eq!(read(owner).await??.into_inner().address_id, address_id);
    assert_eq!(read(other).await?.unwrap_err().code(), Code::NotFound);
    Ok(())
}
