//! Whether a peer is who it has to be: its chain first, then its SPIFFE id.

use std::{fmt, sync::Arc};

use arc_swap::ArcSwap;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
    client::{
        ResolvesClientCert,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor,
    },
    crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    server::{
        ClientHello, ParsedCertificate, ResolvesServerCert,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::{
    SpiffeId,
    material::{Material, provider},
};

/// Whose certificate this is, if it names exactly one service. Says nothing about whether it may be trusted.
pub(crate) fn id_of(certificate: &CertificateDer<'_>) -> Option<SpiffeId> {
    let parsed = webpki::EndEntityCert::try_from(certificate).ok()?;
    let mut uris = parsed.valid_uri_names();
    let id = uris.next()?.parse().ok()?;
    // An id that could be read in two ways is none (X509-SVID, section 2).
    uris.next().is_none().then_some(id)
}

/// Who is at the other end of a connection, by the chain that its handshake accepted.
#[must_use]
pub fn peer_of(certificates: &[CertificateDer<'_>]) -> Option<SpiffeId> {
    id_of(certificates.first()?)
}

/// What is read anew at each handshake.
pub(crate) type Present = Arc<ArcSwap<Material>>;

/// Shows the present certificate, on either side.
pub(crate) struct Shown(pub(crate) Present);

/// Accepts servers that are `callee`.
pub(crate) struct Callee {
    pub(crate) present: Present,
    pub(crate) callee: SpiffeId,
}

/// Accepts clients that are services beside our own.
pub(crate) struct Callers(pub(crate) Present);

/// The chain is in order, and the certificate is not of who had to show it.
struct SomebodyElse {
    shown: Option<SpiffeId>,
    meant: String,
}

impl std::error::Error for SomebodyElse {}

impl fmt::Display for SomebodyElse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.shown {
            Some(id) => write!(formatter, "{id} shown")?,
            None => formatter.write_str("no SPIFFE id of one service shown")?,
        }
        write!(formatter, " where {} is meant", self.meant)
    }
}

/// As rustls writes it into its own error.
impl fmt::Debug for SomebodyElse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl From<SomebodyElse> for Error {
    fn from(error: SomebodyElse) -> Self {
        CertificateError::Other(OtherError(Arc::new(error))).into()
    }
}

pub(crate) fn algorithms() -> &'static WebPkiSupportedAlgorithms {
    &provider().signature_verification_algorithms
}

impl ResolvesClientCert for Shown {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.load().key))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.load().key))
    }
}

impl ServerCertVerifier for Callee {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let parsed = ParsedCertificate::try_from(end_entity)?;
        let roots = Arc::clone(&self.present.load().roots);
        verify_server_cert_signed_by_trust_anchor(&parsed, &roots, intermediates, now, algorithms().all)?;
        match id_of(end_entity) {
            Some(id) if id == self.callee => Ok(ServerCertVerified::assertion()),
            shown => Err(SomebodyElse { shown, meant: self.callee.to_string() }.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, algorithms())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        algorithms().supported_schemes()
    }
}

impl ClientCertVerifier for Callers {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // They would be those of one moment; clients have one certificate and need no hint.
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let present = self.0.load_full();
        let verified = present.clients.verify_client_cert(end_entity, intermediates, now)?;
        match id_of(end_entity) {
            Some(id) if id.is_beside(&present.id) => Ok(verified),
            shown => Err(SomebodyElse { shown, meant: format!("a service beside {}", present.id) }.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, algorithms())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        algorithms().supported_schemes()
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Shown").field(&self.0.load().id).finish()
    }
}

impl fmt::Debug for Callee {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Callee").field(&self.callee).finish()
    }
}

impl fmt::Debug for Callers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Callers").field(&self.0.load().id).finish()
    }
}
