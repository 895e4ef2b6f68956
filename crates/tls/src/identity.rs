use std::{sync::Arc, time::SystemTime};

use arc_swap::ArcSwap;
use rustls::{ClientConfig, ServerConfig, client::Resumption, version::TLS13};

use crate::{
    Error, Files, SpiffeId,
    material::{Age, Material, provider},
    verify::{Callee, Callers, Present, Shown},
};

/// What a process shows to its peers, and whom it trusts. A clone is the same identity.
#[derive(Clone, Debug)]
pub struct Identity {
    files: Arc<Files>,
    present: Present,
}

impl Identity {
    /// Reads the files.
    ///
    /// # Errors
    /// A file that can't be read, is no PEM of its kind, or doesn't fit the others.
    pub fn load(files: Files) -> Result<Self, Error> {
        let material = Material::read(&files)?;
        Ok(Self { files: Arc::new(files), present: Arc::new(ArcSwap::from_pointee(material)) })
    }

    /// Who the process is at present.
    #[must_use]
    pub fn id(&self) -> SpiffeId {
        self.present.load().id.clone()
    }

    /// When the present certificate ends.
    #[must_use]
    pub fn not_after(&self) -> SystemTime {
        self.present.load().not_after
    }

    pub(crate) fn age(&self, now: SystemTime) -> Age {
        self.present.load().age(now)
    }

    /// Reads the files again. Whether something changed.
    ///
    /// # Errors
    /// As [`load`](Self::load); what was read before stays in use.
    pub fn reload(&self) -> Result<bool, Error> {
        let read = Material::read(&self.files)?;
        let changed = !read.is_same(&self.present.load());
        if changed {
            self.present.store(Arc::new(read));
        }
        Ok(changed)
    }

    /// For calls to one service: accepts that one only. Follows [`reload`](Self::reload).
    ///
    /// # Panics
    /// Never: the provider has TLS 1.3.
    #[must_use]
    pub fn client_config(&self, callee: &SpiffeId) -> Arc<ClientConfig> {
        let verifier = Callee { present: Arc::clone(&self.present), callee: callee.clone() };
        #[expect(clippy::expect_used, reason = "the provider has TLS 1.3, whatever the machine")]
        let mut config = ClientConfig::builder_with_provider(Arc::clone(provider()))
            .with_protocol_versions(&[&TLS13])
            .expect("the provider has TLS 1.3")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::new(Shown(Arc::clone(&self.present))));
        config.alpn_protocols = vec![b"h2".to_vec()];
        // A resumed session would keep an identity that the roots no longer vouch for.
        config.resumption = Resumption::disabled();
        Arc::new(config)
    }

    /// For being called: demands the certificate of a service of the same trust domain and namespace, whatever its name;
    /// which of them may make a call is the call's own policy. Follows [`reload`](Self::reload).
    ///
    /// # Panics
    /// Never: the provider has TLS 1.3.
    #[must_use]
    pub fn server_config(&self) -> Arc<ServerConfig> {
        #[expect(clippy::expect_used, reason = "the provider has TLS 1.3, whatever the machine")]
        let mut config = ServerConfig::builder_with_provider(Arc::clone(provider()))
            .with_protocol_versions(&[&TLS13])
            .expect("the provider has TLS 1.3")
            .with_client_cert_verifier(Arc::new(Callers(Arc::clone(&self.present))))
            .with_cert_resolver(Arc::new(Shown(Arc::clone(&self.present))));
        config.alpn_protocols = vec![b"h2".to_vec()];
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        Arc::new(config)
    }
}
