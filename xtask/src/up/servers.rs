//! Where the servers of a shop that runs are, for commands in other terminals.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};
use localservers::{Nats, Postgres};
use serde_json::{Value, json};

use super::secrets;
use crate::local::Local;

/// The servers' addresses; Postgres' carries a password.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Servers {
    /// Of a database, without its name.
    postgres: String,
    nats: String,
}

impl Servers {
    /// Writes them down for [`Servers::of`].
    pub(super) fn note(local: &Local, postgres: &Postgres, nats: &Nats) -> Result<()> {
        Self { postgres: postgres.url(""), nats: nats.url() }.write(local)
    }

    fn write(&self, local: &Local) -> Result<()> {
        let text = json!({ "postgres": self.postgres, "nats": self.nats }).to_string();
        local.folder("secrets")?;
        secrets::write(&path(local), &text)
    }

    /// Those of the shop that was started last.
    pub(crate) fn of(local: &Local) -> Result<Self> {
        let path = path(local);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let noted: Value = serde_json::from_str(&text)?;
        let address =
            |name: &str| noted[name].as_str().map(ToOwned::to_owned).with_context(|| format!("no {name}"));
        Ok(Self { postgres: address("postgres")?, nats: address("nats")? })
    }

    pub(crate) fn database(&self, name: &str) -> String {
        format!("{}{name}", self.postgres)
    }

    pub(crate) fn nats(&self) -> &str {
        &self.nats
    }
}

fn path(local: &Local) -> PathBuf {
    local.path("secrets").join("servers.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_is_found_and_is_nobody_elses() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let local = Local::at(folder.path().to_owned()).unwrap();
        let servers = Servers { postgres: "postgres://u:p@h:1/".to_owned(), nats: "nats://h:2".to_owned() };
        assert!(Servers::of(&local).is_err());
        servers.write(&local).unwrap();
        assert_eq!(Servers::of(&local).unwrap(), servers);
        assert_eq!(servers.database("order"), "postgres://u:p@h:1/order");
        assert_eq!(fs::metadata(path(&local)).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
