use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};
use auth::{Access, Issuer, Permission, PublicKey, SigningKey, Verifier};
use futures::{Stream, StreamExt as _, future, stream};
use proto::identity::v1::{
    Address, BatchGetContactsRequest, BatchGetContactsResponse, BatchGetRecipientsRequest,
    BatchGetRecipientsResponse, Contact, ContactOutcome, GetAddressRequest, GetContactRequest,
    GetDeliveryAddressRequest, GetJwksRequest, GetJwksResponse, GetUserRequest, JsonWebKey,
    ListAddressesRequest, ListAddressesResponse, Recipient, RecipientOutcome, RecipientRequest, User,
    contact_outcome,
    identity_service_server::{IdentityService, IdentityServiceServer},
    recipient_outcome,
};
use proto::types::v1::Refusal;
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
    /// The oldest first.
    addresses: Arc<Mutex<Vec<(UserId, Address)>>>,
    /// Nothing for those who are gone; who isn't in it is somebody all the same.
    contacts: Arc<Mutex<HashMap<UserId, Option<Contact>>>>,
}

impl TestIdentity {
    /// Starts with a new key, on a free port.
    pub async fn start() -> Result<Self> {
        let (key, _) = SigningKey::generate();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let desk = Desk { key: key.public().clone(), addresses: Arc::default(), contacts: Arc::default() };
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

    /// Stores an address that only `user` may read; the first is the default one.
    #[must_use]
    pub fn add_address(&self, user: UserId) -> AddressId {
        let id = AddressId::new();
        let is_default = !self.desk.addresses().iter().any(|(owner, _)| *owner == user);
        let address = Address {
            address_id: id.to_string(),
            recipient: "Ada Lovelace".to_owned(),
            lines: vec!["St James's Square 12".to_owned()],
            city: "London".to_owned(),
            region: String::new(),
            postal_code: "SW1Y 4JH".to_owned(),
            country_code: "GB".to_owned(),
            create_time: None,
            is_default,
            etag: String::new(),
        };
        self.set_address(user, address);
        id
    }

    /// Stores an address of the user, in place of the one that has its id.
    pub fn set_address(&self, user: UserId, address: Address) {
        let mut addresses = self.desk.addresses();
        match addresses.iter_mut().find(|(_, stored)| stored.address_id == address.address_id) {
            Some(stored) => *stored = (user, address),
            None => addresses.push((user, address)),
        }
    }

    /// How the user is reached from now on. Before, everybody is Ada Lovelace.
    pub fn set_contact(&self, user: UserId, email: &str, display_name: &str) {
        self.desk.contacts().insert(user, Some(contact(user, email, display_name)));
    }

    /// The user is gone, and their addresses are.
    pub fn remove_user(&self, user: UserId) {
        self.desk.contacts().insert(user, None);
        self.desk.addresses().retain(|(owner, _)| *owner != user);
    }
}

impl Desk {
    fn addresses(&self) -> MutexGuard<'_, Vec<(UserId, Address)>> {
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn contacts(&self) -> MutexGuard<'_, HashMap<UserId, Option<Contact>>> {
        self.contacts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn contact_of(&self, user: UserId) -> Result<Contact, Status> {
        let known = self.contacts().get(&user).cloned();
        known
            .unwrap_or_else(|| Some(contact(user, "ada@example.org", "Ada Lovelace")))
            .ok_or_else(|| Status::not_found("no such user"))
    }

    fn recipient(&self, wanted: &RecipientRequest) -> Result<Recipient, Status> {
        let user = wanted.user_id.parse().map_err(|_| Status::not_found("no such user"))?;
        let display_name = self.contact_of(user)?.display_name;
        let address = if wanted.address_id.is_empty() {
            let addresses = self.addresses();
            let default = addresses.iter().find(|(owner, address)| *owner == user && address.is_default);
            default.map(|(_, address)| address.clone())
        } else {
            Some(self.address_of(user, &wanted.address_id)?.into_inner())
        };
        Ok(Recipient { display_name, address })
    }

    /// The user whose token comes with the request.
    async fn caller<T: Sync>(&self, request: &Request<T>) -> Result<UserId, Status> {
        let header = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| value.strip_prefix("Bearer "));
        let token = token.ok_or_else(|| Status::unauthenticated("no token"))?;
        let verifier = Verifier::with_keys(vec![self.key.clone()]);
        let caller = verifier.verify(token, Clock::system().now()).await;
        caller.map(|caller| caller.user_id).map_err(|error| Status::unauthenticated(error.to_string()))
    }

    fn address_of(&self, user: UserId, address_id: &str) -> Result<Response<Address>, Status> {
        let addresses = self.addresses();
        let found =
            addresses.iter().find(|(owner, address)| *owner == user && address.address_id == address_id);
        found
            .map(|(_, address)| Response::new(address.clone()))
            .ok_or_else(|| Status::not_found("no such address"))
    }
}

fn contact(user: UserId, email: &str, display_name: &str) -> Contact {
    Contact { user_id: user.to_string(), email: email.to_owned(), display_name: display_name.to_owned() }
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

fn refusal(status: &Status) -> Refusal {
    Refusal {
        code: status.code() as i32,
        message: status.message().to_owned(),
        details: status.details().to_vec(),
    }
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

    async fn get_user(&self, request: Request<GetUserRequest>) -> Result<Response<User>, Status> {
        let caller = self.caller(&request).await?;
        let Contact { user_id, email, display_name } = self.contact_of(caller)?;
        Ok(Response::new(User { user_id, email, display_name, ..User::default() }))
    }

    async fn get_address(&self, request: Request<GetAddressRequest>) -> Result<Response<Address>, Status> {
        let caller = self.caller(&request).await?;
        self.address_of(caller, &request.get_ref().address_id)
    }

    /// All on one page.
    async fn list_addresses(
        &self,
        request: Request<ListAddressesRequest>,
    ) -> Result<Response<ListAddressesResponse>, Status> {
        let caller = self.caller(&request).await?;
        let own = self
            .addresses()
            .iter()
            .filter(|(owner, _)| *owner == caller)
            .map(|(_, own)| own.clone())
            .collect();
        Ok(Response::new(ListAddressesResponse { addresses: own, next_page_token: String::new() }))
    }

    async fn get_contact(&self, request: Request<GetContactRequest>) -> Result<Response<Contact>, Status> {
        let user = request.get_ref().user_id.parse().map_err(|_| Status::not_found("no such user"))?;
        self.contact_of(user).map(Response::new)
    }

    async fn batch_get_contacts(
        &self,
        request: Request<BatchGetContactsRequest>,
    ) -> Result<Response<BatchGetContactsResponse>, Status> {
        let mut outcomes = Vec::new();
        for request in request.into_inner().requests {
            let outcome = match self.get_contact(Request::new(request)).await {
                Ok(contact) => contact_outcome::Outcome::Contact(contact.into_inner()),
                Err(status) => contact_outcome::Outcome::Refusal(refusal(&status)),
            };
            outcomes.push(ContactOutcome { outcome: Some(outcome) });
        }
        Ok(Response::new(BatchGetContactsResponse { outcomes }))
    }

    async fn batch_get_recipients(
        &self,
        request: Request<BatchGetRecipientsRequest>,
    ) -> Result<Response<BatchGetRecipientsResponse>, Status> {
        let requests = request.into_inner().requests;
        let outcomes = requests.iter().map(|request| {
            let outcome = match self.recipient(request) {
                Ok(recipient) => recipient_outcome::Outcome::Recipient(recipient),
                Err(status) => recipient_outcome::Outcome::Refusal(refusal(&status)),
            };
            RecipientOutcome { outcome: Some(outcome) }
        });
        Ok(Response::new(BatchGetRecipientsResponse { outcomes: outcomes.collect() }))
    }

    async fn get_delivery_address(
        &self,
        request: Request<GetDeliveryAddressRequest>,
    ) -> Result<Response<Address>, Status> {
        let wanted = request.get_ref();
        let user = wanted.user_id.parse().map_err(|_| Status::not_found("no such user"))?;
        self.address_of(user, &wanted.address_id)
    }
}
