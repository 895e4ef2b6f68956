//! Services with certificates in files, and connections between them.

use std::{fs, path::PathBuf, sync::Arc, time::SystemTime};

use anyhow::{Context as _, Result};
use rustls::{ClientConfig, HandshakeKind, ServerConfig};
use rustls_pki_types::ServerName;
use tempfile::TempDir;
use tls::{
    Files, Identity, SpiffeId,
    authority::{Authority, Issued},
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};
use values::Clock;

pub(crate) const HOUR: std::time::Duration = std::time::Duration::from_hours(1);

pub(crate) fn now() -> SystemTime {
    Clock::system().now().into()
}

/// All have the same name, so that only their keys tell them apart.
pub(crate) fn authority() -> Result<Authority> {
    Ok(Authority::generate("tests", now(), 24 * HOUR)?)
}

/// `order` is `spiffe://bookstore.local/ns/default/sa/order`.
#[expect(clippy::unwrap_used, reason = "tests name services as they should")]
pub(crate) fn id(service: &str) -> SpiffeId {
    SpiffeId::new("bookstore.local", "default", service).unwrap()
}

/// The files of a service.
pub(crate) struct Service {
    pub(crate) id: SpiffeId,
    pub(crate) files: Files,
    _folder: TempDir,
}

impl Service {
    pub(crate) fn new(authority: &Authority, id: SpiffeId) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = |name: &str| -> PathBuf { folder.path().join(name) };
        let files = Files { certificate: path("tls.crt"), key: path("tls.key"), roots: path("ca.crt") };
        let service = Self { id, files, _folder: folder };
        service.renew(authority)?;
        service.trust(&[authority])?;
        Ok(service)
    }

    /// Puts a new certificate in place of the old one.
    pub(crate) fn renew(&self, authority: &Authority) -> Result<()> {
        self.put(&authority.issue(&self.id, &["localhost"], now(), HOUR)?)
    }

    pub(crate) fn put(&self, issued: &Issued) -> Result<()> {
        fs::write(&self.files.certificate, &issued.certificate_pem)?;
        Ok(fs::write(&self.files.key, &issued.key_pem)?)
    }

    pub(crate) fn trust(&self, authorities: &[&Authority]) -> Result<()> {
        let roots: Vec<_> = authorities.iter().map(|authority| authority.certificate_pem()).collect();
        Ok(fs::write(&self.files.roots, roots.concat())?)
    }

    pub(crate) fn identity(&self) -> Result<Identity> {
        Ok(Identity::load(self.files.clone())?)
    }
}

/// A connection over which a word went each way.
pub(crate) struct Connection {
    pub(crate) client: client::TlsStream<DuplexStream>,
    pub(crate) server: server::TlsStream<DuplexStream>,
}

/// What either side says about a connection that did not come to be; the other one may only see that it ended.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) client: String,
    pub(crate) server: String,
}

/// `from` calls `server`, meaning `callee`.
pub(crate) async fn call(
    from: &Identity,
    callee: &SpiffeId,
    server: &Identity,
) -> Result<Connection, Refused> {
    connect(from.client_config(callee), server.server_config()).await
}

pub(crate) async fn connect(
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
) -> Result<Connection, Refused> {
    let (near, far) = duplex(64 * 1024);
    let client = async {
        let name = ServerName::try_from("localhost")?;
        let mut stream = TlsConnector::from(client).connect(name, near).await?;
        // In TLS 1.3 a client learns only from the first answer that its certificate was refused.
        exchange(&mut stream).await?;
        anyhow::Ok(stream)
    };
    let server = async {
        let mut stream = TlsAcceptor::from(server).accept(far).await?;
        exchange(&mut stream).await?;
        anyhow::Ok(stream)
    };
    match tokio::join!(client, server) {
        (Ok(client), Ok(server)) => Ok(Connection { client, server }),
        (client, server) => {
            let said =
                |error: Option<anyhow::Error>| error.map(|error| format!("{error:#}")).unwrap_or_default();
            Err(Refused { client: said(client.err()), server: said(server.err()) })
        }
    }
}

async fn exchange(stream: &mut (impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin)) -> Result<()> {
    stream.write_all(b"!").await?;
    stream.flush().await?;
    anyhow::ensure!(stream.read_u8().await? == b'!');
    Ok(())
}

impl Connection {
    /// Who called, as the server sees it.
    pub(crate) fn caller(&self) -> Option<SpiffeId> {
        tls::peer_of(self.server.get_ref().1.peer_certificates()?)
    }

    /// Who answered, as the client sees it.
    pub(crate) fn callee(&self) -> Option<SpiffeId> {
        tls::peer_of(self.client.get_ref().1.peer_certificates()?)
    }

    /// Whether it took up where an earlier one had ended.
    pub(crate) fn is_resumed(&self) -> bool {
        self.client.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// Another word each way.
    pub(crate) async fn goes_on(&mut self) -> Result<()> {
        let (client, server) = tokio::join!(exchange(&mut self.client), exchange(&mut self.server));
        client.context("client")?;
        server.context("server")
    }
}
