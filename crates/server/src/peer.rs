//! Which service of the shop calls: by its certificate, by the platform's mesh, or nobody knows.

mod header;

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use auth::policy::{Allow, Policies};
use http::Request;
use tower::Service;

use crate::{
    config::{Base, Mesh},
    listen::Origin,
};
use header::{ISTIO, LINKERD};

/// How this process knows who calls, and shows itself to those it calls.
#[derive(Clone, Debug)]
pub(crate) enum Peers {
    /// Each connection shows a certificate.
    Native(tls::Identity),
    /// The proxy beside this process tells.
    Linkerd(Accounts),
    /// As `Linkerd`.
    Istio(Accounts),
    /// Nobody is a service.
    Nobody,
    /// Everybody is the service that may make the call.
    Anybody(Arc<Policies>),
}

/// Whose service accounts are the shop's services, where a mesh tells who calls.
#[derive(Clone, Debug)]
pub(crate) struct Accounts {
    pub(crate) trust_domain: String,
    pub(crate) namespace: String,
}

/// Why callers can't be told apart as configured; each names the variable.
#[derive(Debug, thiserror::Error)]
pub enum PeersError {
    /// `native` needs certificates.
    #[error("{0} must be set: BOOKSTORE_MESH is `native`, in which services show each other certificates")]
    Missing(String),
    /// `linkerd` and `istio` need to know whose service accounts count.
    #[error("{0} is not set: BOOKSTORE_MESH is `{1}`, which needs it")]
    Accounts(&'static str, &'static str),
    /// Only `off` can't tell who calls.
    #[error("BOOKSTORE_ALLOW_UNIDENTIFIED_PEERS is wrong: it goes only with BOOKSTORE_MESH `off`")]
    Unidentified,
    /// The certificates can't be used.
    #[error("BOOKSTORE_TLS_CERTIFICATE, BOOKSTORE_TLS_KEY and BOOKSTORE_TLS_ROOTS can't be used: {0}")]
    Certificates(#[from] tls::Error),
    /// The contract has no policies to go by.
    #[error(transparent)]
    Contract(#[from] auth::policy::Error),
}

impl Peers {
    pub(crate) fn configured(base: &Base) -> Result<Self, PeersError> {
        if base.allow_unidentified_peers && base.mesh != Mesh::Off {
            return Err(PeersError::Unidentified);
        }
        let accounts = |profile| {
            let missing = |variable| PeersError::Accounts(variable, profile);
            let trust_domain = base.mesh_trust_domain.clone();
            Ok::<_, PeersError>(Accounts {
                trust_domain: trust_domain.ok_or_else(|| missing("BOOKSTORE_MESH_TRUST_DOMAIN"))?,
                namespace: base.mesh_namespace.clone().ok_or_else(|| missing("BOOKSTORE_MESH_NAMESPACE"))?,
            })
        };
        Ok(match base.mesh {
            Mesh::Native => Self::Native(tls::Identity::load(files(base)?)?),
            Mesh::Linkerd => Self::Linkerd(accounts("linkerd")?),
            Mesh::Istio => Self::Istio(accounts("istio")?),
            Mesh::Off if base.allow_unidentified_peers => {
                Self::Anybody(Arc::new(Policies::of(proto::FILE_DESCRIPTOR_SET)?))
            }
            Mesh::Off => Self::Nobody,
        })
    }

    /// What this process shows to others, if it speaks mTLS itself.
    pub(crate) const fn identity(&self) -> Option<&tls::Identity> {
        match self {
            Self::Native(identity) => Some(identity),
            Self::Linkerd(_) | Self::Istio(_) | Self::Nobody | Self::Anybody(_) => None,
        }
    }

    /// Notes the caller among the request's extensions, and takes off it what only a mesh's proxy may say.
    fn tell<B>(&self, request: &mut Request<B>) {
        let headers = request.headers_mut();
        let linkerd = headers.remove(LINKERD);
        // All of them: what a caller adds before the proxy's own must not be taken for it.
        let istio: Vec<_> = headers.get_all(ISTIO).iter().cloned().collect();
        headers.remove(ISTIO);
        let origin = request.extensions().get::<Origin>();
        // Where no proxy is beside us, by a slip of the platform, anybody could write what only it may say.
        let is_proxys = origin.is_some_and(|origin| origin.is_local);
        let peer = match self {
            Self::Native(_) => origin.and_then(|origin| origin.peer.clone()),
            Self::Linkerd(accounts) if is_proxys => {
                linkerd.and_then(|value| header::linkerd(value.to_str().ok()?, accounts))
            }
            Self::Istio(accounts) if is_proxys => {
                istio.last().and_then(|value| header::istio(value.to_str().ok()?, accounts))
            }
            Self::Linkerd(_) | Self::Istio(_) | Self::Nobody => None,
            Self::Anybody(policies) => match policies.of_method(request.uri().path()) {
                Some(Allow::Services(names)) => names.first().map(|name| auth::Peer::new(name)),
                _ => None,
            },
        };
        request.extensions_mut().remove::<auth::Peer>();
        if let Some(peer) = peer {
            request.extensions_mut().insert(peer);
        }
    }
}

fn files(base: &Base) -> Result<tls::Files, PeersError> {
    let files = [
        ("BOOKSTORE_TLS_CERTIFICATE", &base.tls_certificate),
        ("BOOKSTORE_TLS_KEY", &base.tls_key),
        ("BOOKSTORE_TLS_ROOTS", &base.tls_roots),
    ];
    if let [Some(certificate), Some(key), Some(roots)] = files.map(|(_, path)| path.clone()) {
        return Ok(tls::Files { certificate, key, roots });
    }
    let missing = files.iter().filter(|(_, path)| path.is_none()).map(|(variable, _)| *variable);
    Err(PeersError::Missing(missing.collect::<Vec<_>>().join(" and ")))
}

/// Whom the proxies of Linkerd and of Istio name by this value of their headers.
#[must_use]
pub fn named_by_proxies(value: &str, trust_domain: &str, namespace: &str) -> [Option<auth::Peer>; 2] {
    let accounts = Accounts { trust_domain: trust_domain.to_owned(), namespace: namespace.to_owned() };
    [header::linkerd(value, &accounts), header::istio(value, &accounts)]
}

/// Notes for each call which service makes it.
#[derive(Clone, Debug)]
pub(crate) struct Identified<S> {
    inner: S,
    peers: Peers,
}

impl<S> Identified<S> {
    pub(crate) const fn new(inner: S, peers: Peers) -> Self {
        Self { inner, peers }
    }
}

impl<S: Service<Request<B>>, B> Service<Request<B>> for Identified<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        self.peers.tell(&mut request);
        self.inner.call(request)
    }
}
