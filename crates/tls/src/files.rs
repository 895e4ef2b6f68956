use std::path::PathBuf;

/// Where a process's certificate lies, as PEM. Whoever renews it replaces the files; no restart is needed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Files {
    /// The certificate, and after it those between it and a root.
    pub certificate: PathBuf,
    /// The certificate's private key.
    pub key: PathBuf,
    /// The certificates of the authorities that peers' certificates may come from.
    pub roots: PathBuf,
}
