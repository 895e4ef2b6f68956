use std::{fs, net::SocketAddr, path::Path, sync::OnceLock, time::Duration};

use anyhow::{Context as _, Result};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tls::{Files, Identity, SpiffeId, authority::Authority};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;
use values::Clock;

/// Longer than any test.
const LIFE: Duration = Duration::from_hours(24);
/// Whose certificates the services of tests have.
pub const TRUST_DOMAIN: &str = "bookstore.local";

/// An authority, and the certificates that it gives out.
#[derive(Debug)]
pub struct Certificates {
    authority: Authority,
    trust_domain: String,
}

/// The authority of all services in this process's tests, unless a test has one of its own.
pub fn certificates() -> Result<&'static Certificates> {
    static SHARED: OnceLock<Result<Certificates, String>> = OnceLock::new();
    let shared = SHARED.get_or_init(|| Certificates::new(TRUST_DOMAIN).map_err(|error| format!("{error:#}")));
    shared.as_ref().map_err(anyhow::Error::msg)
}

impl Certificates {
    /// A new authority, which nobody trusts yet.
    pub fn new(trust_domain: &str) -> Result<Self> {
        let authority = Authority::generate("tests", Clock::system().now().into(), LIFE)?;
        Ok(Self { authority, trust_domain: trust_domain.to_owned() })
    }

    /// What its certificates are verified with, as PEM.
    #[must_use]
    pub fn root(&self) -> &str {
        self.authority.certificate_pem()
    }

    /// Writes a new certificate of a service to a folder, over the one that may be there. Its peers have to be of this
    /// authority too.
    pub fn write(&self, folder: &Path, service: &str) -> Result<Files> {
        self.write_valid(folder, service, Duration::ZERO, LIFE)
    }

    /// As [`write`](Self::write), valid from so long ago, for so long.
    pub fn write_valid(&self, folder: &Path, service: &str, ago: Duration, life: Duration) -> Result<Files> {
        let id = SpiffeId::new(&self.trust_domain, "default", service)?;
        let since = Clock::system().now() - ago;
        let issued = self.authority.issue(&id, &["localhost"], since.into(), life)?;
        fs::create_dir_all(folder)?;
        let put = |suffix: &str, text: &str| {
            let path = folder.join(format!("{service}{suffix}.pem"));
            // Replaced as a whole, as Kubernetes does.
            let draft = path.with_extension("draft");
            fs::write(&draft, text)?;
            fs::rename(&draft, &path)?;
            anyhow::Ok(path)
        };
        Ok(Files {
            certificate: put("", &issued.certificate_pem)?,
            key: put("-key", &issued.key_pem)?,
            roots: put("-roots", self.root())?,
        })
    }

    /// Who a service is, for tests that call or answer as one. It is never renewed.
    pub fn identity(&self, service: &str) -> Result<Identity> {
        let folder = tempfile::tempdir()?;
        Ok(Identity::load(self.write(folder.path(), service)?)?)
    }
}

/// A connection to `callee` over which calls come from `identity`, made when it is first used.
pub fn channel_as(identity: &Identity, callee: &str, address: SocketAddr) -> Result<Channel> {
    channel_to(identity, &identity.id().sibling(callee), address)
}

/// As [`channel_as`], to a service that may be of another trust domain or namespace.
pub fn channel_to(identity: &Identity, callee: &SpiffeId, address: SocketAddr) -> Result<Channel> {
    let connector = TlsConnector::from(identity.client_config(callee));
    let name = ServerName::try_from(callee.service().to_owned()).context("no name of a service")?;
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?
        .origin(format!("https://{}", callee.service()).parse()?)
        .tcp_nodelay(true);
    Ok(endpoint.connect_with_connector_lazy(service_fn(move |_| {
        let (connector, name) = (connector.clone(), name.clone());
        async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok::<_, std::io::Error>(TokioIo::new(connector.connect(name, stream).await?))
        }
    })))
}

/// A client of the mesh for a service at an address, calling as `from`.
pub fn mesh_client(from: &str, callee: &'static str, address: SocketAddr) -> Result<mesh::Client> {
    let identity = certificates()?.identity(from)?;
    Ok(mesh::Client::new(callee, &mesh::Target::from(address), mesh::Policy::default(), Some(&identity)))
}
