//! The RPCs, a file each: parse, authorise, call domain and store, answer.

mod authenticate_user;
mod create_address;
mod create_user;
mod get_address;
mod get_jwks;
mod get_user;
mod grant_role;
mod list_addresses;
mod logout;
mod revoke_role;

use ::events::Wake;
use auth::{Issuer, PublicKey, Revocations};
use proto::identity::v1 as pb;
use proto::identity::v1::identity_service_server;
use sea_orm::DatabaseConnection;
use server::caller;
use server::wire::timestamp;
use tonic::{Request, Response, Status};
use values::Clock;

use crate::access::Changed;
use crate::passwords::Passwords;
use crate::store::addresses;
use crate::store::users::UserWithRoles;

/// What the RPCs need.
#[derive(Debug)]
pub(crate) struct IdentityService {
    pub(crate) db: DatabaseConnection,
    pub(crate) clock: Clock,
    pub(crate) passwords: Passwords,
    pub(crate) issuer: Issuer,
    pub(crate) public_keys: Vec<PublicKey>,
    pub(crate) relay: Wake,
    pub(crate) revocations: Revocations,
}

impl IdentityService {
    /// To be called after the commit: this replica refuses the outdated tokens at once, and the others are told.
    pub(crate) fn in_force(&self, changed: Option<Changed>) {
        if let Some(Changed { user, least_version }) = changed {
            self.revocations.require(user, least_version, self.clock.now());
            self.relay.wake();
        }
    }
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl identity_service_server::IdentityService for IdentityService {
    async fn create_user(&self, request: Request<pb::CreateUserRequest>) -> Answer<pb::User> {
        Ok(Response::new(create_user::create_user(self, request.into_inner()).await?))
    }

    async fn get_user(&self, request: Request<pb::GetUserRequest>) -> Answer<pb::User> {
        let caller = caller::customer(&request)?;
        Ok(Response::new(get_user::get_user(self, &caller, request.into_inner()).await?))
    }

    async fn authenticate_user(
        &self,
        request: Request<pb::AuthenticateUserRequest>,
    ) -> Answer<pb::AuthenticateUserResponse> {
        Ok(Response::new(authenticate_user::authenticate_user(self, request.into_inner()).await?))
    }

    async fn logout(&self, request: Request<pb::LogoutRequest>) -> Answer<pb::LogoutResponse> {
        let caller = caller::customer(&request)?;
        Ok(Response::new(logout::logout(self, &caller).await?))
    }

    async fn grant_role(&self, request: Request<pb::GrantRoleRequest>) -> Answer<pb::User> {
        let caller = caller::customer(&request)?;
        Ok(Response::new(grant_role::grant_role(self, &caller, request.into_inner()).await?))
    }

    async fn revoke_role(&self, request: Request<pb::RevokeRoleRequest>) -> Answer<pb::User> {
        let caller = caller::customer(&request)?;
        Ok(Response::new(revoke_role::revoke_role(self, &caller, request.into_inner()).await?))
    }

    async fn get_jwks(&self, _: Request<pb::GetJwksRequest>) -> Answer<pb::GetJwksResponse> {
        Ok(Response::new(get_jwks::get_jwks(self)))
    }

    async fn create_address(&self, request: Request<pb::CreateAddressRequest>) -> Answer<pb::Address> {
        let caller = caller::customer(&request)?;
        Ok(Response::new(create_address::create_address(self, &caller, request.into_inner()).await?))
    }

    async fn get_address(&self, request: Request<pb::GetAddressRequest>) -> Answer<pb::Address> {
        let caller = caller::customer(&request)?;
        Ok(Response::new(get_address::get_address(self, &caller, request.into_inner()).await?))
    }

    async fn list_addresses(
        &self,
        request: Request<pb::ListAddressesRequest>,
    ) -> Answer<pb::ListAddressesResponse> {
        let caller = caller::customer(&request)?;
        Ok(Response::new(list_addresses::list_addresses(self, &caller, request.into_inner()).await?))
    }
}

impl From<UserWithRoles> for pb::User {
    fn from(UserWithRoles { user, roles }: UserWithRoles) -> Self {
        Self {
            user_id: user.user_id().to_string(),
            email: user.email,
            display_name: user.display_name,
            create_time: Some(timestamp(user.created_at)),
            roles,
            etag: String::new(),
        }
    }
}

impl From<addresses::Model> for pb::Address {
    fn from(address: addresses::Model) -> Self {
        Self {
            address_id: address.address_id().to_string(),
            recipient: address.recipient,
            lines: address.lines,
            city: address.city,
            region: address.region,
            postal_code: address.postal_code,
            country_code: address.country_code,
            create_time: Some(timestamp(address.created_at)),
            is_default: false,
            etag: String::new(),
        }
    }
}
