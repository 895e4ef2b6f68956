//! The RPCs, a file each: parse, authorise, call domain and store, answer.

mod authenticate_user;
mod batch_get_contacts;
mod batch_get_recipients;
mod change_password;
mod create_address;
mod create_user;
mod delete_address;
mod delete_user;
mod get_address;
mod get_contact;
mod get_delivery_address;
mod get_jwks;
mod get_user;
mod grant_role;
mod list_addresses;
mod list_users;
mod logout;
mod refresh_token;
mod revoke_role;
mod rotate_signing_key;
mod set_default_address;
mod update_address;
mod update_user;
mod validate_token;

use std::sync::Arc;
use std::time::Duration;

use ::events::Wake;
use auth::{Revocations, Verifier};
use proto::identity::v1 as pb;
use proto::identity::v1::identity_service_server;
use sea_orm::DatabaseConnection;
use server::caller;
use server::wire::timestamp;
use tonic::{Request, Response, Status};
use values::{Clock, Violations};

use crate::access::Changed;
use crate::error::Error;
use crate::passwords::Passwords;
use crate::refresh::RefreshTokens;
use crate::registration::Registrations;
use crate::signing_keys::SigningKeys;
use crate::store::addresses;
use crate::store::users::UserWithRoles;

/// What the RPCs need.
#[derive(Debug)]
pub(crate) struct IdentityService {
    pub(crate) db: DatabaseConnection,
    pub(crate) clock: Clock,
    pub(crate) passwords: Passwords,
    pub(crate) keys: Arc<SigningKeys>,
    pub(crate) token_ttl: Duration,
    pub(crate) relay: Wake,
    pub(crate) revocations: Revocations,
    pub(crate) verifier: Verifier,
    pub(crate) refresh_tokens: RefreshTokens,
    pub(crate) registrations: Registrations,
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

    async fn update_user(&self, request: Request<pb::UpdateUserRequest>) -> Answer<pb::User> {
        let caller = caller::customer(&request)?;
        Ok(Response::new(update_user::update_user(self, &caller, request.into_inner()).await?))
    }

    async fn list_users(&self, request: Request<pb::ListUsersRequest>) -> Answer<pb::ListUsersResponse> {
        Ok(Response::new(list_users::list_users(self, request.into_inner()).await?))
    }

    async fn delete_user(&self, request: Request<pb::DeleteUserRequest>) -> Answer<pb::DeleteUserResponse> {
        let caller = caller::customer(&request)?;
        Ok(Response::new(delete_user::delete_user(self, &caller, request.into_inner()).await?))
    }

    async fn refresh_token(
        &self,
        request: Request<pb::RefreshTokenRequest>,
    ) -> Answer<pb::AuthenticateUserResponse> {
        Ok(Response::new(refresh_token::refresh_token(self, request.into_inner()).await?))
    }

    async fn validate_token(
        &self,
        request: Request<pb::ValidateTokenRequest>,
    ) -> Answer<pb::ValidateTokenResponse> {
        Ok(Response::new(validate_token::validate_token(self, request.into_inner()).await?))
    }

    async fn change_password(
        &self,
        request: Request<pb::ChangePasswordRequest>,
    ) -> Answer<pb::ChangePasswordResponse> {
        let caller = caller::customer(&request)?;
        Ok(Response::new(change_password::change_password(self, &caller, request.into_inner()).await?))
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

    async fn rotate_signing_key(
        &self,
        request: Request<pb::RotateSigningKeyRequest>,
    ) -> Answer<pb::RotateSigningKeyResponse> {
        let caller = caller::customer(&request)?;
        Ok(Response::new(rotate_signing_key::rotate_signing_key(self, &caller, request.into_inner()).await?))
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

    async fn update_address(&self, request: Request<pb::UpdateAddressRequest>) -> Answer<pb::Address> {
        let caller = caller::customer(&request)?;
        Ok(Response::new(update_address::update_address(self, &caller, request.into_inner()).await?))
    }

    async fn delete_address(
        &self,
        request: Request<pb::DeleteAddressRequest>,
    ) -> Answer<pb::DeleteAddressResponse> {
        let caller = caller::customer(&request)?;
        Ok(Response::new(delete_address::delete_address(self, &caller, request.into_inner()).await?))
    }

    async fn set_default_address(
        &self,
        request: Request<pb::SetDefaultAddressRequest>,
    ) -> Answer<pb::Address> {
        let caller = caller::customer(&request)?;
        Ok(Response::new(
            set_default_address::set_default_address(self, &caller, request.into_inner()).await?,
        ))
    }

    async fn get_contact(&self, request: Request<pb::GetContactRequest>) -> Answer<pb::Contact> {
        Ok(Response::new(get_contact::get_contact(self, request.into_inner()).await?))
    }

    async fn batch_get_contacts(
        &self,
        request: Request<pb::BatchGetContactsRequest>,
    ) -> Answer<pb::BatchGetContactsResponse> {
        Ok(Response::new(batch_get_contacts::batch_get_contacts(self, request.into_inner()).await?))
    }

    async fn batch_get_recipients(
        &self,
        request: Request<pb::BatchGetRecipientsRequest>,
    ) -> Answer<pb::BatchGetRecipientsResponse> {
        Ok(Response::new(batch_get_recipients::batch_get_recipients(self, request.into_inner()).await?))
    }

    async fn get_delivery_address(
        &self,
        request: Request<pb::GetDeliveryAddressRequest>,
    ) -> Answer<pb::Address> {
        Ok(Response::new(get_delivery_address::get_delivery_address(self, request.into_inner()).await?))
    }
}

/// How many requests one call may carry.
const MAX_REQUESTS: usize = 256;

/// Whether so many requests may come in one call.
fn of_several(requests: usize) -> crate::error::Result<()> {
    if (1..=MAX_REQUESTS).contains(&requests) {
        return Ok(());
    }
    let mut violations = Violations::new();
    violations.add("requests", format!("must have 1 to {MAX_REQUESTS} requests"));
    Err(violations.into())
}

/// Whether what the caller read is still so; an empty `etag` asks nothing.
fn check_etag(etag: &str, now: &str) -> crate::error::Result<()> {
    if etag.is_empty() || etag == now { Ok(()) } else { Err(Error::EtagMismatch) }
}

impl From<UserWithRoles> for pb::User {
    fn from(with_roles: UserWithRoles) -> Self {
        let etag = with_roles.etag();
        let UserWithRoles { user, roles } = with_roles;
        Self {
            user_id: user.user_id().to_string(),
            email: user.email,
            display_name: user.display_name,
            create_time: Some(timestamp(user.created_at)),
            roles,
            etag,
        }
    }
}

impl From<addresses::Stored> for pb::Address {
    fn from(stored: addresses::Stored) -> Self {
        let etag = stored.etag();
        let addresses::Stored { address, is_default } = stored;
        Self {
            address_id: address.address_id().to_string(),
            recipient: address.recipient,
            lines: address.lines,
            city: address.city,
            region: address.region,
            postal_code: address.postal_code,
            country_code: address.country_code,
            create_time: Some(timestamp(address.created_at)),
            is_default,
            etag,
        }
    }
}
