//! Certificates for both sides, for one run.

use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime},
};

use anyhow::Result;
use tls::{Files, SpiffeId, authority::Authority};

const LIFE: Duration = Duration::from_hours(24);

/// Writes what each of `services` shows into `folder`, and returns where it lies.
pub(crate) fn write<const N: usize>(folder: &Path, services: [&str; N]) -> Result<[Files; N]> {
    let now = now();
    let authority = Authority::generate("bench", now, LIFE)?;
    let files = services.map(|service| Files {
        certificate: folder.join(format!("{service}.pem")),
        key: folder.join(format!("{service}.key")),
        roots: folder.join("roots.pem"),
    });
    for (service, files) in services.iter().zip(&files) {
        let id = SpiffeId::new("bookstore.local", "default", service)?;
        let issued = authority.issue(&id, &[service], now, LIFE)?;
        fs::write(&files.key, &issued.key_pem)?;
        fs::write(&files.certificate, &issued.certificate_pem)?;
        fs::write(&files.roots, authority.certificate_pem())?;
    }
    Ok(files)
}

#[expect(clippy::disallowed_methods, reason = "certificates are valid by the machine's time")]
fn now() -> SystemTime {
    SystemTime::now()
}
