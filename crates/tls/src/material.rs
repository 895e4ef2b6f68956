//! What the files hold, read and checked together.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
    time::{Duration, SystemTime},
};

use rustls::{
    RootCertStore,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

use crate::{Files, SpiffeId, verify};

/// Why the files can't be used. What a file holds is never said.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It isn't there, or may not be read.
    #[error("{} can't be read: {cause}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// It is something else than it should be.
    #[error("{} {what}", .path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// A certificate, its key and the roots: always all three of one moment.
pub(crate) struct Material {
    pub(crate) id: SpiffeId,
    pub(crate) key: Arc<CertifiedKey>,
    pub(crate) roots: Arc<RootCertStore>,
    pub(crate) clients: Arc<dyn ClientCertVerifier>,
    not_before: SystemTime,
    pub(crate) not_after: SystemTime,
    /// The files' contents, to see whether they changed. The key's are only compared.
    source: Source,
}

/// How near its end a certificate is. Whoever renews certificates does so at two thirds of their life.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum Age {
    #[default]
    Fresh,
    /// Nine tenths of its life are over.
    Overdue,
    Over,
}

#[derive(PartialEq, Eq)]
struct Source {
    certificate: Vec<u8>,
    key: Vec<u8>,
    roots: Vec<u8>,
}

/// The same cryptography everywhere, whatever else the process may have installed.
pub(crate) fn provider() -> &'static Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));
    &PROVIDER
}

impl Material {
    pub(crate) fn read(files: &Files) -> Result<Self, Error> {
        let source = Source {
            certificate: contents(&files.certificate)?,
            key: contents(&files.key)?,
            roots: contents(&files.roots)?,
        };
        let wrong = |path: &Path, what| Error::Wrong { path: path.to_owned(), what };

        let chain = certificates(&source.certificate)
            .ok_or_else(|| wrong(&files.certificate, "holds no certificate as PEM"))?;
        let key = PrivateKeyDer::from_pem_slice(&source.key)
            .map_err(|_| wrong(&files.key, "holds no private key as PEM"))?;
        let (not_before, not_after) =
            validity(&chain[0]).ok_or_else(|| wrong(&files.certificate, "holds a malformed certificate"))?;
        let id = verify::id_of(&chain[0]).ok_or_else(|| {
            wrong(
                &files.certificate,
                "names no service: it must have one URI like spiffe://bookstore.example/ns/default/sa/order",
            )
        })?;
        let key = CertifiedKey::from_der(chain, key, provider())
            .map_err(|_| wrong(&files.key, "is not the key of the certificate"))?;

        let no_roots = || wrong(&files.roots, "holds no authority's certificate as PEM");
        let mut roots = RootCertStore::empty();
        for root in certificates(&source.roots).ok_or_else(no_roots)? {
            roots.add(root).map_err(|_| no_roots())?;
        }
        let roots = Arc::new(roots);
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(provider()))
            .build()
            .map_err(|_| no_roots())?;
        Ok(Self { id, key: Arc::new(key), roots, clients, not_before, not_after, source })
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.source == other.source
    }

    pub(crate) fn age(&self, now: SystemTime) -> Age {
        let life = self.not_after.duration_since(self.not_before).unwrap_or_default();
        match self.not_after.duration_since(now) {
            Err(_) => Age::Over,
            Ok(rest) if rest < life / 10 => Age::Overdue,
            Ok(_) => Age::Fresh,
        }
    }
}

impl fmt::Debug for Material {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Material").field("id", &self.id).finish_non_exhaustive()
    }
}

fn contents(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|cause| Error::Unreadable { path: path.to_owned(), cause })
}

fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let all = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().ok()?;
    (!all.is_empty()).then_some(all)
}

pub(crate) fn validity(certificate: &CertificateDer<'_>) -> Option<(SystemTime, SystemTime)> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let moment =
        |seconds: i64| Some(SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).ok()?));
    let validity = parsed.validity();
    Some((moment(validity.not_before.timestamp())?, moment(validity.not_after.timestamp())?))
}
