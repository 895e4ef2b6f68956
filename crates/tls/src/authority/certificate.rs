use std::time::{Duration, SystemTime};

use rustls::{RootCertStore, client::verify_server_cert_signed_by_trust_anchor, server::ParsedCertificate};
use rustls_pki_types::{CertificateDer, UnixTime, pem::PemObject as _};

use crate::{SpiffeId, material, verify};

use super::AuthorityError;

/// What a certificate says of itself, for who has to renew it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Certificate {
    der: CertificateDer<'static>,
    validity: Validity,
}

/// From when until when a certificate is valid.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Validity {
    /// Its first moment.
    pub not_before: SystemTime,
    /// Its last moment.
    pub not_after: SystemTime,
}

impl Validity {
    /// Whether two thirds of it are over: the rest is for whoever has to find out why nobody has renewed it.
    #[must_use]
    pub fn is_due(self, now: SystemTime) -> bool {
        let life = self.not_after.duration_since(self.not_before).unwrap_or_default();
        self.left(now) < life / 3
    }

    /// What is left of it.
    #[must_use]
    pub fn left(self, now: SystemTime) -> Duration {
        self.not_after.duration_since(now).unwrap_or_default()
    }

    /// For how long it has been valid.
    #[must_use]
    pub fn age(self, now: SystemTime) -> Duration {
        now.duration_since(self.not_before).unwrap_or_default()
    }
}

impl Certificate {
    /// Reads the first certificate of a PEM text.
    ///
    /// # Errors
    /// No certificate as PEM.
    pub fn from_pem(pem: &str) -> Result<Self, AuthorityError> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| AuthorityError::Malformed)?;
        let (not_before, not_after) = material::validity(&der).ok_or(AuthorityError::Malformed)?;
        Ok(Self { der, validity: Validity { not_before, not_after } })
    }

    /// From when until when it is valid.
    #[must_use]
    pub const fn validity(&self) -> Validity {
        self.validity
    }

    /// The one service that it names.
    #[must_use]
    pub fn id(&self) -> Option<SpiffeId> {
        verify::id_of(&self.der)
    }

    /// The DNS names that its service is reached by.
    #[must_use]
    pub fn dns_names(&self) -> Vec<String> {
        let parsed = webpki::EndEntityCert::try_from(&self.der);
        parsed.map(|parsed| parsed.valid_dns_names().map(str::to_owned).collect()).unwrap_or_default()
    }

    pub(super) fn is_signed_by(&self, authority: &Self, now: SystemTime) -> bool {
        let mut roots = RootCertStore::empty();
        let Ok(parsed) = ParsedCertificate::try_from(&self.der) else { return false };
        let Ok(since) = now.duration_since(SystemTime::UNIX_EPOCH) else { return false };
        roots.add(authority.der.clone()).is_ok()
            && verify_server_cert_signed_by_trust_anchor(
                &parsed,
                &roots,
                &[],
                UnixTime::since_unix_epoch(since),
                verify::algorithms().all,
            )
            .is_ok()
    }
}
