//! The ways to make the call.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Result, anyhow};
use hyper_util::rt::TokioIo;
use mesh::{Policy, Target};
use proto::inventory::v1::inventory_service_client::InventoryServiceClient;
use rustls_pki_types::ServerName;
use serde::Serialize;
use tls::Identity;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint, Uri};

use super::load::{self, Sample};
use crate::replica::{Addresses, CALLEE, Replica};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Subject {
    BarePlaintext,
    MeshPlaintext,
    BareMtls,
    /// What the mesh always gives a call: a deadline that the callee is told of, with a timer on either side.
    BareMtlsDeadline,
    MeshMtls,
    /// One connection, as a bare channel has: the layers' cost without that of a second connection.
    MeshMtlsOneConnection,
    MeshMtlsTwoEndpoints,
}

/// What it takes to call.
pub(crate) struct Reach {
    pub(crate) identity: Identity,
    pub(crate) addresses: Addresses,
}

impl Subject {
    pub(crate) const ALL: [Self; 7] = [
        Self::BarePlaintext,
        Self::MeshPlaintext,
        Self::BareMtls,
        Self::BareMtlsDeadline,
        Self::MeshMtls,
        Self::MeshMtlsOneConnection,
        Self::MeshMtlsTwoEndpoints,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::BarePlaintext => "bare plaintext",
            Self::MeshPlaintext => "mesh plaintext",
            Self::BareMtls => "bare mTLS",
            Self::BareMtlsDeadline => "bare mTLS, deadline",
            Self::MeshMtls => "mesh mTLS",
            Self::MeshMtlsOneConnection => "mesh mTLS, 1 connection",
            Self::MeshMtlsTwoEndpoints => "mesh mTLS, 2 endpoints",
        }
    }

    /// Asked for by the caller; the mesh has its own.
    pub(crate) fn deadline(self) -> Option<Duration> {
        (self == Self::BareMtlsDeadline).then(|| Policy::default().timeout)
    }

    /// What it is compared with.
    pub(crate) const fn bare(self) -> Option<Self> {
        match self {
            Self::BarePlaintext | Self::BareMtls => None,
            Self::MeshPlaintext => Some(Self::BarePlaintext),
            Self::BareMtlsDeadline
            | Self::MeshMtls
            | Self::MeshMtlsOneConnection
            | Self::MeshMtlsTwoEndpoints => Some(Self::BareMtls),
        }
    }

    /// Connects anew, warms up, and calls for `length`.
    pub(crate) async fn measure(
        self,
        reach: &Reach,
        replica: &mut Replica,
        round: u64,
        callers: usize,
        length: Duration,
    ) -> Result<Sample> {
        let load = load::Load { subject: self, round, callers, length };
        let Addresses { plaintext, mtls: [first, second] } = reach.addresses;
        let identity = Some(&reach.identity);
        let two = Policy::default();
        let one = Policy { connections_per_endpoint: 1, ..Policy::default() };
        match self {
            Self::BarePlaintext => load.run(&client(bare(plaintext).await?), replica).await,
            Self::BareMtls | Self::BareMtlsDeadline => {
                load.run(&client(bare_mtls(first, &reach.identity).await?), replica).await
            }
            Self::MeshPlaintext => load.run(&client(meshed(&[plaintext], two, None)), replica).await,
            Self::MeshMtls => load.run(&client(meshed(&[first], two, identity)), replica).await,
            Self::MeshMtlsOneConnection => load.run(&client(meshed(&[first], one, identity)), replica).await,
            Self::MeshMtlsTwoEndpoints => {
                load.run(&client(meshed(&[first, second], two, identity)), replica).await
            }
        }
    }
}

fn client<T>(inner: T) -> InventoryServiceClient<T>
where
    T: tonic::client::GrpcService<tonic::body::Body>,
    T::Error: Into<tonic::codegen::StdError>,
    T::ResponseBody: tonic::codegen::Body<Data = tonic::codegen::Bytes> + Send + 'static,
    <T::ResponseBody as tonic::codegen::Body>::Error: Into<tonic::codegen::StdError> + Send,
{
    InventoryServiceClient::new(inner)
}

fn meshed(addresses: &[SocketAddr], policy: Policy, identity: Option<&Identity>) -> mesh::Client {
    mesh::Client::new(CALLEE, &Target::Ipv4(addresses.to_vec()), policy, identity)
}

async fn bare(address: SocketAddr) -> Result<Channel> {
    Ok(Endpoint::from_shared(format!("http://{address}"))?.connect().await?)
}

/// The same certificates and verification as the mesh, and nothing else of it.
async fn bare_mtls(address: SocketAddr, identity: &Identity) -> Result<Channel> {
    let tls = TlsConnector::from(identity.client_config(&identity.id().sibling(CALLEE)));
    let name = ServerName::try_from(CALLEE).map_err(|_| anyhow!("{CALLEE} is no name of a server"))?;
    let connect = tower::service_fn(move |_: Uri| {
        let (tls, name) = (tls.clone(), name.clone());
        async move {
            let tcp = TcpStream::connect(address).await?;
            tcp.set_nodelay(true)?;
            Ok::<_, std::io::Error>(TokioIo::new(tls.connect(name, tcp).await?))
        }
    });
    // `http`, lest tonic ask for a TLS configuration of its own.
    Ok(Endpoint::from_shared(format!("http://{address}"))?.connect_with_connector(connect).await?)
}
