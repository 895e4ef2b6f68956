//! Making certificates: for development, for tests, and for whoever sets a shop up.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};

use crate::SpiffeId;

pub use certificate::{Certificate, Validity};

mod certificate;

/// Signs the certificates of a shop's services.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: Certificate,
    certificate_pem: String,
}

/// A certificate and its key, as PEM.
pub struct Issued {
    /// The certificate.
    pub certificate_pem: String,
    /// Its private key, PKCS#8.
    pub key_pem: String,
}

/// A certificate could not be made, or an authority not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// The machine's cryptography refused, or a key is none.
    #[error("certificates: {0}")]
    Making(#[from] rcgen::Error),
    /// The text is no certificate as PEM.
    #[error("certificates: no certificate as PEM")]
    Malformed,
}

/// By how much a certificate begins before it was made: what the clocks of two machines may differ by.
pub const BACKDATED: Duration = Duration::from_mins(5);

impl Authority {
    /// A new one, valid for `life` from now on.
    ///
    /// # Errors
    /// The machine's cryptography refused.
    pub fn generate(name: &str, now: SystemTime, life: Duration) -> Result<Self, AuthorityError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = (now - BACKDATED).into();
        params.not_after = (now + life).into();
        let certificate_pem = params.self_signed(&key)?.pem();
        let certificate = Certificate::from_pem(&certificate_pem)?;
        Ok(Self { issuer: Issuer::new(params, key), certificate, certificate_pem })
    }

    /// One that was made before.
    ///
    /// # Errors
    /// Not an authority's certificate and key as PEM.
    pub fn from_pem(certificate_pem: &str, key_pem: &str) -> Result<Self, AuthorityError> {
        let issuer = Issuer::from_ca_cert_pem(certificate_pem, KeyPair::from_pem(key_pem)?)?;
        let certificate = Certificate::from_pem(certificate_pem)?;
        Ok(Self { issuer, certificate, certificate_pem: certificate_pem.to_owned() })
    }

    /// What peers trust: the root.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// What must stay secret.
    #[must_use]
    pub fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// From when until when it may sign.
    #[must_use]
    pub const fn validity(&self) -> Validity {
        self.certificate.validity()
    }

    /// Whether it has signed a certificate that is valid now.
    #[must_use]
    pub fn vouches_for(&self, certificate: &Certificate, now: SystemTime) -> bool {
        certificate.is_signed_by(&self.certificate, now)
    }

    /// A certificate of a service, which doesn't outlive its authority, with the names it is reached by, for both sides of a call.
    ///
    /// # Errors
    /// A name that is no DNS name.
    pub fn issue(
        &self,
        id: &SpiffeId,
        dns_names: &[&str],
        now: SystemTime,
        life: Duration,
    ) -> Result<Issued, AuthorityError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, id.service());
        params.subject_alt_names.push(SanType::URI(id.to_string().try_into()?));
        for name in dns_names {
            params.subject_alt_names.push(SanType::DnsName((*name).try_into()?));
        }
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        params.not_before = (now - BACKDATED).into();
        params.not_after = (now + life).min(self.validity().not_after).into();
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Issued { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Authority(…)")
    }
}

impl fmt::Debug for Issued {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Issued(…)")
    }
}
