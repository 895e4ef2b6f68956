use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Result;
use testkit::Certificates;

use crate::Service;

/// The certificates of a shop's services, in a folder that is swapped as a whole, as Kubernetes swaps a mounted secret.
#[derive(Debug)]
pub(crate) struct Papers {
    folder: PathBuf,
}

impl Papers {
    /// The first set: from an authority that vouches for itself alone.
    pub(crate) fn write(folder: &Path, authority: &Certificates) -> Result<Self> {
        let papers = Self { folder: folder.to_owned() };
        papers.renew(authority, &[authority])?;
        Ok(papers)
    }

    /// Where a service finds its own, whichever set is the present one.
    pub(crate) fn paths(&self, service: Service) -> [(&'static str, PathBuf); 3] {
        let path = |suffix| self.present().join(format!("{}{suffix}.pem", service.name()));
        [
            ("BOOKSTORE_TLS_CERTIFICATE", path("")),
            ("BOOKSTORE_TLS_KEY", path("-key")),
            ("BOOKSTORE_TLS_ROOTS", path("-roots")),
        ]
    }

    /// New certificates for every service from one authority; those of all that are `trusted` are accepted.
    pub(crate) fn renew(&self, authority: &Certificates, trusted: &[&Certificates]) -> Result<()> {
        fs::create_dir_all(&self.folder)?;
        let sets = fs::read_dir(&self.folder)?.count();
        let set = self.folder.join(format!("set-{sets}"));
        // Each ends at a time of its own, so that one can see from outside which is shown.
        let life = Duration::from_mins(30) + Duration::from_mins(u64::try_from(sets)?);
        let roots: String = trusted.iter().map(|authority| authority.root()).collect();
        for service in Service::ALL {
            let files = authority.write_valid(&set, service.name(), Duration::ZERO, life)?;
            fs::write(files.roots, &roots)?;
        }
        let draft = self.folder.join("draft");
        symlink(&set, &draft)?;
        fs::rename(draft, self.present())?;
        Ok(())
    }

    fn present(&self) -> PathBuf {
        self.folder.join("present")
    }
}
