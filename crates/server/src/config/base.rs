use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use clap::Args;

use super::duration_in;

/// No platform waits longer for a process to end.
const LONGEST_STOP: Duration = Duration::from_hours(1);
/// Below a few seconds, connections would be made more often than used.
const SHORTEST_AGE: Duration = Duration::from_secs(1);
const LONGEST_AGE: Duration = Duration::from_hours(24);

/// What every process of the shop is configured with.
#[derive(Args, Clone, Debug)]
#[group(skip)]
pub struct Base {
    /// Where calls are answered.
    #[arg(
        long,
        env = "BOOKSTORE_LISTEN",
        help = "the address that answers calls",
        default_value = "0.0.0.0:0"
    )]
    pub listen: SocketAddr,
    /// Where health, readiness, metrics and version are answered.
    #[arg(
        long,
        env = "BOOKSTORE_ADMIN_LISTEN",
        help = "the address that answers health, readiness, metrics and version",
        default_value = "0.0.0.0:0"
    )]
    pub admin_listen: SocketAddr,
    /// How services know each other.
    #[arg(
        long,
        env = "BOOKSTORE_MESH",
        help = "how services know each other: by own certificates (native), by those of the platform's mesh, or not",
        default_value = "native"
    )]
    pub mesh: Mesh,
    /// The certificate that this process shows, in `native`.
    #[arg(
        long,
        env = "BOOKSTORE_TLS_CERTIFICATE",
        help = "the PEM file with the certificate chain that this service shows others",
        value_parser = path
    )]
    pub tls_certificate: Option<PathBuf>,
    /// The key of that certificate.
    #[arg(
        long,
        env = "BOOKSTORE_TLS_KEY",
        help = "the PEM file with the private key of that certificate",
        value_parser = path
    )]
    pub tls_key: Option<PathBuf>,
    /// Whose certificates are believed.
    #[arg(
        long,
        env = "BOOKSTORE_TLS_ROOTS",
        help = "the PEM file with the certificates of the authorities that sign the shop's services",
        value_parser = path
    )]
    pub tls_roots: Option<PathBuf>,
    /// Whose service accounts are the shop's services, where the platform's mesh says who calls.
    #[arg(
        long,
        env = "BOOKSTORE_MESH_NAMESPACE",
        help = "the Kubernetes namespace whose service accounts are the shop's services, for `linkerd` and `istio`"
    )]
    pub mesh_namespace: Option<String>,
    /// Whose mesh it is.
    #[arg(
        long,
        env = "BOOKSTORE_MESH_TRUST_DOMAIN",
        help = "the trust domain of the platform's mesh, for `linkerd` and `istio`: `cluster.local`"
    )]
    pub mesh_trust_domain: Option<String>,
    /// Takes every caller for whichever service a call is meant for; only where nobody can be told apart anyway.
    #[arg(
        long,
        env = "BOOKSTORE_ALLOW_UNIDENTIFIED_PEERS",
        help = "whether anybody may make the calls that are for services only: for `off` alone",
        default_value_t = false,
        default_missing_value = "true",
        num_args = 0..=1,
        action = clap::ArgAction::Set
    )]
    pub allow_unidentified_peers: bool,
    /// How many calls are answered at once; more are refused at once.
    #[arg(
        long,
        env = "BOOKSTORE_MAX_CONCURRENT_CALLS",
        help = "how many calls are answered at once, before more are refused",
        default_value_t = Base::MAX_CONCURRENT_CALLS,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    pub max_concurrent_calls: u32,
    /// How long a connection is used until its client is asked to make another, give or take a tenth.
    #[arg(
        long,
        env = "BOOKSTORE_MAX_CONNECTION_AGE",
        help = "after how long clients are asked for a new connection, so that they spread anew: `5m`",
        default_value = "5m",
        value_parser = duration_in(SHORTEST_AGE..=LONGEST_AGE)
    )]
    pub max_connection_age: Duration,
    /// How long calls may still take on a connection that is past its age; streams end then with UNAVAILABLE.
    #[arg(
        long,
        env = "BOOKSTORE_MAX_CONNECTION_AGE_GRACE",
        help = "how long streams on a connection that is past its age may go on: `30s`",
        default_value = "30s",
        value_parser = duration_in(Duration::ZERO..=LONGEST_STOP)
    )]
    pub max_connection_age_grace: Duration,
    /// Which log lines are written.
    #[arg(
        long,
        env = "BOOKSTORE_LOG",
        help = "which log lines are written: `info`, `info,order=debug`",
        default_value = "info"
    )]
    pub log: String,
    /// Log lines for machines or for people.
    #[arg(
        long,
        env = "BOOKSTORE_LOG_FORMAT",
        help = "whether log lines are for machines or for people",
        default_value = "json"
    )]
    pub log_format: LogFormat,
    /// Where traces and metrics are sent.
    #[arg(
        long,
        env = "OTEL_EXPORTER_OTLP_ENDPOINT",
        help = "where traces and metrics go over OTLP/gRPC: http://localhost:4317; nowhere if not set"
    )]
    pub otlp_endpoint: Option<String>,
    /// How many of the traces that begin in this process are recorded.
    #[arg(
        long,
        env = "BOOKSTORE_TRACES_PER_SECOND",
        help = "how many of the traces that begin in this process are recorded, a second; they need an OTLP endpoint",
        default_value_t = Base::TRACES_PER_SECOND,
        value_parser = clap::value_parser!(u32).range(0..=1_000_000)
    )]
    pub traces_per_second: u32,
    /// How long calls that are under way at a stop may still take.
    #[arg(
        long,
        env = "BOOKSTORE_STOP_GRACE",
        help = "how long calls that are under way at a stop may take: `20s`",
        default_value = "20s",
        value_parser = duration_in(Duration::ZERO..=LONGEST_STOP)
    )]
    pub stop_grace: Duration,
    /// How long calls are still accepted after readiness ended.
    #[arg(
        long,
        env = "BOOKSTORE_ENDPOINT_PROPAGATION",
        help = "how long calls are accepted after readiness ended, until every client knows: `5s`",
        default_value = "0s",
        value_parser = duration_in(Duration::ZERO..=LONGEST_STOP)
    )]
    pub endpoint_propagation: Duration,
    /// The Kubernetes node that this process runs on.
    #[arg(
        long,
        env = "BOOKSTORE_NODE_NAME",
        help = "the Kubernetes node this runs on, by which `k8s:///` targets find the zone; from the pod's spec.nodeName"
    )]
    pub node_name: Option<String>,
    /// The zone that this process runs in.
    #[arg(
        long,
        env = "BOOKSTORE_ZONE",
        help = "the zone this runs in, whose endpoints come first with `k8s:///` targets; found by the node if not set"
    )]
    pub zone: Option<String>,
}

/// How services know each other.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mesh {
    /// By mTLS that they speak themselves.
    Native,
    /// By Linkerd's, which tells the callee in a header.
    Linkerd,
    /// By Istio's, which tells the callee in a header.
    Istio,
    /// Not at all.
    Off,
}

/// How log lines are written.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// Text.
    Text,
}

impl Base {
    const MAX_CONCURRENT_CALLS: u32 = 1024;
    const TRACES_PER_SECOND: u32 = 100;

    /// The usual configuration of a process that shows these certificates, for those that are configured by a program.
    #[must_use]
    pub fn new(tls: tls::Files) -> Self {
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            listen: anywhere,
            admin_listen: anywhere,
            mesh: Mesh::Native,
            tls_certificate: Some(tls.certificate),
            tls_key: Some(tls.key),
            tls_roots: Some(tls.roots),
            mesh_namespace: None,
            mesh_trust_domain: None,
            allow_unidentified_peers: false,
            max_concurrent_calls: Self::MAX_CONCURRENT_CALLS,
            max_connection_age: Duration::from_mins(5),
            max_connection_age_grace: Duration::from_secs(30),
            log: "info".to_owned(),
            log_format: LogFormat::Json,
            otlp_endpoint: None,
            traces_per_second: Self::TRACES_PER_SECOND,
            stop_grace: Duration::from_secs(20),
            endpoint_propagation: Duration::ZERO,
            node_name: None,
            zone: None,
        }
    }
}

impl AsRef<Self> for Base {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// Whoever sets `BOOKSTORE_TLS_KEY_FILE` means the path, but hands over what stands there.
pub(super) fn path(text: &str) -> Result<PathBuf, &'static str> {
    if text.contains("-----BEGIN") {
        return Err("must be the path of a file, not what stands in it");
    }
    Ok(text.into())
}
