//! Certificates that peers show.

use std::{sync::LazyLock, time::Duration};

use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use tls::{SpiffeId, authority::Authority};
use values::Clock;

use crate::{Target, text};

pub(super) const TARGET: Target = Target {
    name: "certificates",
    about: "certificates that peers show",
    longest: 4096,
    run,
    examples: || vec![CERTIFICATE.clone()],
};

static CERTIFICATE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let (now, day) = (Clock::system().now().into(), Duration::from_hours(24));
    let id = SpiffeId::new("bookstore.local", "default", "order").unwrap();
    let authority = Authority::generate("the shop's", now, day).unwrap();
    let issued = authority.issue(&id, &["order", "order.default.svc"], now, day).unwrap();
    CertificateDer::from_pem_slice(issued.certificate_pem.as_bytes()).unwrap().to_vec()
});

fn run(bytes: &[u8]) {
    let id = tls::peer_of(&[CertificateDer::from(bytes)]);
    if let Some(id) = id {
        assert!(text::round_trip::<SpiffeId>(&id.to_string()).is_some());
        let shown = id.to_string();
        assert!(bytes.windows(shown.len()).any(|part| part == shown.as_bytes()), "{shown} is shown nowhere");
    }
    assert_eq!(tls::peer_of(&[]), None);
}
