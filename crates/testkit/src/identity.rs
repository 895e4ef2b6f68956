use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};
use auth::{Access, Issuer, Permission, PublicKey, SigningKey, Verifier};
use futures::{Stream, StreamExt as _, future, stream};
use proto::identity::v1::{
    Address, AuthenticateUserRequest, AuthenticateUserResponse, CreateAddressRequest, CreateUserRequest,
    GetAddressRequest, GetJwksRequest, GetJwksResponse, GetUserRequest, GrantRoleRequest, JsonWebKey,
    ListAddressesRequest, ListAddressesResponse, LogoutRequest, LogoutResponse, RevokeRoleRequest, User,
    identity_service_server::{IdentityService, IdentityServiceServer},
};
use secrecy::ExposeSecret;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tonic::{
    Request, Response, Status,
    metadata::MetadataValue,
    transport::{Channel, Server},
};
use values::{AddressId, Clock, SessionId, UserId};

use crate::{certificates, channel_as};

/// Stands in for identity in tests of other services: serves its keys and addresses over gRPC, and signs tokens.
/// Stops when dropped.
#[derive(Debug)]
pub struct TestIdentity {
    address: SocketAddr,
    issuer: Issuer,
    desk: Desk,
    server: JoinHandle<()>,
}

#[derive(Clone, Debug)]
struct Desk {
    key: PublicKey,
    addresses: Arc<Mutex<HashMap<AddressId, (UserId, Address)>>>,
}

impl TestIdentity {
    /// Starts with a new key, on a free port.
    pub async fn start() -> Result<Self> {
        let (key, _) = SigningKey::generate();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let desk = Desk { key: key.public().clone(), addresses: Arc::default() };
        let service = Server::builder()
            .add_service(IdentityServiceServer::new(desk.clone()))
            .serve_with_incoming(over_tls(listener, certificates()?.identity("identity")?));
        let server = tokio::spawn(async move {
            // It ends with the test only.
            let _ = service.await;
        });
        Ok(Self { address, issuer: Issuer::new(key, Duration::from_mins(15)), desk, server })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// For `BOOKSTORE_IDENTITY_TARGET`.
    #[must_use]
    pub fn target(&self) -> String {
        format!("ipv4:{}", self.address)
    }

    /// Verifies the tokens it signs.
    #[must_use]
    pub fn verifier(&self) -> Verifier {
        Verifier::with_keys(vec![self.desk.key.clone()])
    }

    /// An access token for a customer.
    pub fn token(&self, user: UserId) -> Result<String> {
        self.token_with(user, &[Permission::ORDERS_PLACE])
    }

    /// An access token for a user with these permissions and no other.
    pub fn token_with(&self, user: UserId, permissions: &[Permission]) -> Result<String> {
        let access = Access { version: 0, permissions: permissions.to_vec() };
        let token = self.issuer.issue(user, SessionId::new(), &access, Clock::system().now())?;
        Ok(token.token.expose_secret().to_owned())
    }

    /// A connection to it as `caller`'s calls come.
    pub fn channel_as(&self, caller: &str) -> Result<Channel> {
        channel_as(&certificates()?.identity(caller)?, "identity", self.address)
    }

    /// Stores an address that only `user` may read.
    #[must_use]
    pub fn add_address(&self, user: UserId) -> AddressId {
        let id = AddressId::new();
        let address = Address {
            address_id: id.to_string(),
            recipient: "Ada Lovelace".to_owned(),
            lines: vec!["St James's Square 12".to_owned()],
            city: "London".to_owned(),
            region: String::new(),
            postal_code: "SW1Y 4JH".to_owned(),
            country_code: "GB".to_owned(),
            create_time: None,
        };
        self.desk.addresses.lock().unwrap_or_else(PoisonError::into_inner).insert(id, (user, address));
        id
    }
}

impl Drop for TestIdentity {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Connections of services to the service of that identity, once their handshake is over: for those that a test writes
/// itself.
#[expect(clippy::needless_pass_by_value, reason = "what it serves as is the stream's from then on")]
pub fn over_tls(
    listener: TcpListener,
    identity: tls::Identity,
) -> impl Stream<Item = io::Result<TlsStream<TcpStream>>> {
    let acceptor = TlsAcceptor::from(identity.server_config());
    // One handshake doesn't wait for another; one that fails is its client's affair.
    stream::unfold(listener, async |listener| Some((listener.accept().await, listener)))
        .map(move |accepted| {
            let acceptor = acceptor.clone();
            async move {
                let (stream, _) = accepted?;
                stream.set_nodelay(true)?;
                acceptor.accept(stream).await
            }
        })
        .buffer_unordered(64)
        .filter(|handshake| future::ready(handshake.is_ok()))
}

/// A request as a signed-in user sends it.
pub fn as_user<T>(token: &str, message: T) -> Result<Request<T>> {
    let mut request = Request::new(message);
    let value = MetadataValue::try_from(format!("Bearer {token}")).context("no token")?;
    request.metadata_mut().insert("authorization", value);
    Ok(request)
}

#[tonic::async_trait]
impl IdentityService for Desk {
    async fn get_jwks(&self, _: Request<GetJwksRequest>) -> Result<Response<GetJwksResponse>, Status> {
        let key = JsonWebKey {
            kid: self.key.kid.clone(),
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            alg: "EdDSA".to_owned(),
            x: self.key.x.clone(),
        };
        Ok(Response::new(GetJwksResponse { keys: vec![key] }))
    }

    async fn get_address(&self, request: Request<GetAddressRequest>) -> Result<Response<Address>, Status> {
        let header = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| value.strip_prefix("Bearer "));
        let token = token.ok_or_else(|| Status::unauthenticated("no token"))?;
        let verifier = Verifier::with_keys(vec![self.key.clone()]);
        let caller = verifier.verify(token, Clock::system().now()).await;
        let caller = caller.map_err(|error| Status::unauthenticated(error.to_string()))?;
        let wanted = &request.get_ref().address_id;
        let addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        wanted
            .parse()
            .ok()
            .and_then(|id: AddressId| addresses.get(&id))
            .filter(|(owner, _)| *owner == caller.user_id)
            .map(|(_, address)| Response::new(address.clone()))
            .ok_or_else(|| Status::not_found("no such address"))
    }

    async fn create_user(&self, _: Request<CreateUserRequest>) -> Result<Response<User>, Status> {
        Err(Status::unimplemented("not in tests"))
    }

    async fn get_user(&self, _: Request<GetUserRequest>) -> Result<Response<User>, Status> {
        Err(Status::unimplemented("not in tests"))
    }

    async fn authenticate_user(
        &self,
        _: Request<AuthenticateUserRequest>,
    ) -> Result<Response<AuthenticateUserResponse>, Status> {
        Err(Status::unimplemented("not in tests"))
    }

    async fn logout(&self, _: Request<LogoutRequest>) -> Result<Response<LogoutResponse>, Status> {
        Err(Status::unimplemented("not in tests"))
    }

    async fn grant_role(&self, _: Request<GrantRoleRequest>) -> Result<Response<User>, Status> {
        Err(Status::unimplemented("not in tests"))
    }

    async fn revoke_role(&self, _: Request<RevokeRoleRequest>) -> Result<Response<User>, Status> {
        Err(Status::unimplemented("not in tests"))
    }

    async fn create_address(&self, _: Request<CreateAddressRequest>) -> Result<Response<Address>, Status> {
        Err(Status::unimplemented("not in tests"))
    }

    async fn list_addresses(
        &self,
        _: Request<ListAddressesRequest>,
    ) -> Result<Response<ListAddressesResponse>, Status> {
        Err(Status::unimplemented("not in tests"))
    }
}
