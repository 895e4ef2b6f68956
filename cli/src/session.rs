//! Who is signed in: a token in the user's configuration folder, readable by that user only.

use std::{
    env, fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tonic::{Request, metadata::AsciiMetadataValue};

use crate::failure::Failure;

/// A signed-in user.
#[derive(Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) user_id: String,
    pub(crate) email: String,
    pub(crate) expires_at: DateTime<Utc>,
    access_token: String,
}

impl Session {
    pub(crate) const fn new(
        user_id: String,
        email: String,
        access_token: String,
        expires_at: DateTime<Utc>,
    ) -> Self {
        Self { user_id, email, expires_at, access_token }
    }

    /// The session that `login` stored.
    pub(crate) fn load() -> Result<Self, Failure> {
        let path = path()?;
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Failure::sign_in("nobody is signed in"));
            }
            Err(error) => {
                return Err(Failure::not_possible(format!("cannot read {}: {error}", path.display())));
            }
        };
        serde_json::from_str(&text)
            .map_err(|_| Failure::sign_in(format!("{} is not readable as a session", path.display())))
    }

    /// Stores the session with mode 600, whole or not at all.
    pub(crate) fn store(&self) -> Result<(), Failure> {
        let path = path()?;
        let written = (|| {
            let folder = path.parent().ok_or(io::ErrorKind::InvalidFilename)?;
            fs::create_dir_all(folder)?;
            let unfinished = path.with_extension(format!("{}.tmp", std::process::id()));
            let mut file = fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&unfinished)?;
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            file.sync_all()?;
            fs::rename(&unfinished, &path)
        })();
        written.map_err(|error: io::Error| {
            Failure::not_possible(format!("cannot write {}: {error}", path.display()))
        })
    }

    /// Forgets whoever is signed in; tells whether anybody was.
    pub(crate) fn forget() -> Result<bool, Failure> {
        let path = path()?;
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Failure::not_possible(format!("cannot remove {}: {error}", path.display()))),
        }
    }

    /// A request that carries the token. A damaged one is left out, and the shop says that sign-in is needed.
    pub(crate) fn sign<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Ok(bearer) = AsciiMetadataValue::try_from(format!("Bearer {}", self.access_token)) {
            request.metadata_mut().insert("authorization", bearer);
        }
        request
    }
}

fn path() -> Result<PathBuf, Failure> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("BOOKSTORE_CONFIG_DIR")
        .or_else(|| set("XDG_CONFIG_HOME").map(|config| config.join("bookstore")))
        .or_else(|| set("HOME").map(|home| home.join(".config/bookstore")))
        .ok_or_else(|| {
            Failure::not_possible("neither HOME nor BOOKSTORE_CONFIG_DIR says where to keep the token")
        })?;
    Ok(folder.join("credentials.json"))
}
