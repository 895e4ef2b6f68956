//! Who calls, and by which way.

use std::{fmt, fs, net::SocketAddr, sync::Arc};

use anyhow::{Context, Result};
use auth::Permission;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use system_tests::{Clients, Door, Service, Shop};
use testkit::{Certificates, TRUST_DOMAIN, certificates};
use tls::{Identity, SpiffeId};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

/// What a call comes with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum User {
    Anonymous,
    /// The owner, an hour too late.
    Expired,
    /// The owner, as somebody says who has no key of the shop's.
    Forged,
    /// The owner, who has logged out.
    LoggedOut,
    /// Somebody from whom every role was taken.
    Roleless,
    OtherCustomer,
    OtherSeller,
    Owner,
    Admin,
}

/// How a call comes to its service.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    /// Through the one door.
    Gateway,
    /// Past it, with the certificate of a service of the shop.
    Service(Service),
    /// Past it, over TLS without a certificate.
    NoCertificate,
    /// Past it, with a certificate of another trust domain and its authority.
    ForeignDomain,
    /// Past it, with a certificate of the shop's trust domain, by somebody who is not its authority.
    ForeignAuthority,
    /// Past it, without TLS.
    Plaintext,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Caller {
    pub(crate) way: Way,
    pub(crate) user: User,
}

impl User {
    const ALL: [Self; 9] = [
        Self::Anonymous,
        Self::Expired,
        Self::Forged,
        Self::LoggedOut,
        Self::Roleless,
        Self::OtherCustomer,
        Self::OtherSeller,
        Self::Owner,
        Self::Admin,
    ];

    /// What a user's roles allow, if somebody is signed in.
    pub(crate) fn permissions(self) -> Option<&'static [Permission]> {
        match self {
            Self::Anonymous | Self::Expired | Self::Forged | Self::LoggedOut => None,
            Self::Roleless => Some(&[]),
            Self::OtherCustomer => Some(&[Permission::ORDERS_PLACE]),
            Self::OtherSeller | Self::Owner => Some(&[Permission::ORDERS_PLACE, Permission::SHOPS_REGISTER]),
            Self::Admin => Some(Permission::ALL),
        }
    }

    /// Why the token is no good.
    pub(crate) fn refused(self) -> Option<&'static str> {
        match self {
            Self::Expired => Some("TOKEN_EXPIRED"),
            Self::Forged => Some("TOKEN_INVALID"),
            Self::LoggedOut => Some("SESSION_REVOKED"),
            Self::Anonymous
            | Self::Roleless
            | Self::OtherCustomer
            | Self::OtherSeller
            | Self::Owner
            | Self::Admin => None,
        }
    }
}

impl Way {
    /// Whether the service talks to who comes by it.
    pub(crate) const fn is_open(self) -> bool {
        matches!(self, Self::Gateway | Self::Service(_))
    }

    pub(crate) fn door(self, shop: &Shop, callee: Service) -> Result<Door> {
        let address = shop.address(callee)?;
        let of_order = |authority| showing(authority, Service::Order, callee);
        let config = match self {
            Self::Gateway => return Ok(shop.clients()?.door()),
            Self::Plaintext => {
                let channel = Endpoint::from_shared(format!("http://{address}"))?.connect_lazy();
                return Ok(Clients::through(channel).door());
            }
            Self::Service(from) => showing(certificates()?, from, callee)?,
            Self::NoCertificate => without_certificate()?,
            Self::ForeignDomain => of_order(&Certificates::new("elsewhere.example")?)?,
            Self::ForeignAuthority => of_order(&Certificates::new(TRUST_DOMAIN)?)?,
        };
        Ok(Clients::through(over_tls(config, address)?).door())
    }
}

impl Caller {
    /// All who call through the gateway; each service for itself, for a customer and for an admin; and, with the owner's
    /// own token, those whom no service talks to.
    pub(crate) fn all() -> Vec<Self> {
        let users = User::ALL.map(|user| Self { way: Way::Gateway, user });
        let services = Service::ALL.into_iter().flat_map(|service| {
            [User::Anonymous, User::OtherCustomer, User::Admin]
                .map(|user| Self { way: Way::Service(service), user })
        });
        let strangers = [Way::NoCertificate, Way::ForeignDomain, Way::ForeignAuthority, Way::Plaintext]
            .map(|way| Self { way, user: User::Owner });
        users.into_iter().chain(services).chain(strangers).collect()
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?} by {:?}", self.user, self.way)
    }
}

/// Trusts the shop, and has nothing to show.
fn without_certificate() -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(certificates()?.root().as_bytes())?)?;
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let mut config =
        builder.with_safe_default_protocol_versions()?.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

/// Trusts the shop, and shows what an authority says of a service.
fn showing(authority: &Certificates, from: Service, callee: Service) -> Result<Arc<ClientConfig>> {
    let folder = tempfile::tempdir()?;
    let files = authority.write(folder.path(), from.name())?;
    fs::write(&files.roots, certificates()?.root())?;
    let identity = Identity::load(files)?;
    Ok(identity.client_config(&SpiffeId::new(TRUST_DOMAIN, "default", callee.name())?))
}

fn over_tls(config: Arc<ClientConfig>, address: SocketAddr) -> Result<Channel> {
    let connector = TlsConnector::from(config);
    let name = ServerName::try_from("localhost").context("no name")?;
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?.origin("https://localhost".parse()?);
    Ok(endpoint.connect_with_connector_lazy(service_fn(move |_| {
        let (connector, name) = (connector.clone(), name.clone());
        async move {
            let stream = TcpStream::connect(address).await?;
            Ok::<_, std::io::Error>(TokioIo::new(connector.connect(name, stream).await?))
        }
    })))
}
