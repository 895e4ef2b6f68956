//! The certificates by which the services of a shop on this machine know each other.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result};
use tls::{
    Files, Identity, SpiffeId,
    authority::{Authority, Certificate},
};

use super::secrets::write;

const TRUST_DOMAIN: &str = "bookstore.local";
const DAY: Duration = Duration::from_hours(24);
const AUTHORITY_LIFE: Duration = DAY.saturating_mul(3650);
const LIFE: Duration = DAY.saturating_mul(90);

/// The folder with an authority of the shop's own, and what it gave out.
pub(crate) struct Certificates {
    folder: PathBuf,
    authority: Authority,
}

impl Certificates {
    /// Makes the authority if it is missing.
    pub(crate) fn prepare(folder: &Path) -> Result<Self> {
        let (root, key) = (folder.join("root.pem"), folder.join("root-key.pem"));
        if !(root.exists() && key.exists()) {
            let authority = Authority::generate("Bookstore on this machine", now(), AUTHORITY_LIFE)?;
            write(&key, &authority.key_pem())?;
            write(&root, authority.certificate_pem())?;
        }
        let authority = Authority::from_pem(&fs::read_to_string(&root)?, &fs::read_to_string(&key)?)
            .with_context(|| {
                format!("{} can't be used; `cargo xtask reset` makes a new one", root.display())
            })?;
        Ok(Self { folder: folder.to_owned(), authority })
    }

    /// The certificate of a service: made if it is missing, of an earlier authority, or two thirds through its life.
    pub(crate) fn of(&self, service: &str) -> Result<Files> {
        let files = Files {
            certificate: self.folder.join(format!("{service}.pem")),
            key: self.folder.join(format!("{service}-key.pem")),
            roots: self.folder.join(format!("{service}-roots.pem")),
        };
        let is_ours =
            fs::read_to_string(&files.roots).is_ok_and(|roots| roots == self.authority.certificate_pem());
        let is_fresh = Identity::load(files.clone()).is_ok()
            && fs::read_to_string(&files.certificate)
                .is_ok_and(|pem| Certificate::from_pem(&pem).is_ok_and(|it| !it.validity().is_due(now())));
        if !(is_ours && is_fresh) {
            let id = SpiffeId::new(TRUST_DOMAIN, "default", service)?;
            let issued = self.authority.issue(&id, &[service, "localhost"], now(), LIFE)?;
            write(&files.key, &issued.key_pem)?;
            write(&files.certificate, &issued.certificate_pem)?;
            write(&files.roots, self.authority.certificate_pem())?;
        }
        Ok(files)
    }
}

#[expect(clippy::disallowed_methods, reason = "certificates are valid by the machine's time")]
fn now() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_certificate_is_kept_while_it_is_good_and_made_anew_for_another_authority() {
        let folder = tempfile::tempdir().unwrap();
        let of_order = || Certificates::prepare(folder.path()).unwrap().of("order").unwrap();
        let text = |files: &Files| fs::read_to_string(&files.certificate).unwrap();
        let first = of_order();
        assert_eq!(
            Identity::load(first.clone()).unwrap().id().to_string(),
            "spiffe://bookstore.local/ns/default/sa/order"
        );
        assert_eq!(fs::metadata(&first.key).unwrap().permissions().mode() & 0o777, 0o600);
        let before = text(&first);
        assert_eq!(text(&of_order()), before);

        fs::remove_file(folder.path().join("root.pem")).unwrap();
        let second = of_order();
        assert_ne!(text(&second), before);
        Identity::load(second).unwrap();
    }
}
