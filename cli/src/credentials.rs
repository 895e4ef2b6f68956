//! What is kept of a sign-in: tokens in the user's configuration folder, readable by that user only.

use std::{
    env, fs,
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::failure::Failure;

/// For the user alone to read and write.
const PRIVATE: u32 = 0o600;
const PRIVATE_FOLDER: u32 = 0o700;
/// What anybody else may do.
const OTHERS: u32 = 0o077;

/// The tokens of a signed-in user.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Credentials {
    pub(crate) user_id: String,
    pub(crate) email: String,
    pub(crate) expires_at: DateTime<Utc>,
    pub(crate) access_token: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) renewal: Option<Renewal>,
    /// Whether the account was asked to be deleted and no answer came. If it was, these are no good any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) perhaps_deleted: bool,
}

/// What gets the next access token, once.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Renewal {
    pub(crate) refresh_token: String,
    pub(crate) expires_at: DateTime<Utc>,
    /// Drawn when the token is kept and not when it is used: whoever uses it, however often an answer is lost, asks
    /// for the same thing.
    pub(crate) request_id: String,
}

impl Renewal {
    pub(crate) fn new(refresh_token: String, expires_at: DateTime<Utc>) -> Self {
        Self { refresh_token, expires_at, request_id: Uuid::new_v4().to_string() }
    }
}

/// While it lives no other process changes what is kept.
pub(crate) struct Lock {
    _file: fs::File,
}

impl Credentials {
    /// Those that were kept, if any are.
    pub(crate) fn load() -> Result<Option<Self>, Failure> {
        let path = path()?;
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(Failure::not_possible(format!("cannot read {}: {error}", path.display())));
            }
        };
        serde_json::from_str(&text)
            .map(Some)
            .map_err(|_| Failure::sign_in(format!("{} is not readable as a session", path.display())))
    }

    /// Takes from others what they may do with the file; tells if they could do anything, and its name.
    pub(crate) fn make_private() -> Result<Option<PathBuf>, Failure> {
        let path = path()?;
        let Ok(found) = fs::metadata(&path) else { return Ok(None) };
        if found.permissions().mode() & OTHERS == 0 {
            return Ok(None);
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(PRIVATE))
            .map_err(|error| cannot_write(&path, &error))?;
        Ok(Some(path))
    }

    /// Keeps them with mode 600, whole or not at all.
    pub(crate) fn store(&self, _lock: &Lock) -> Result<(), Failure> {
        let path = path()?;
        let written = (|| {
            let unfinished = path.with_extension(format!("{}.tmp", std::process::id()));
            let mut file = fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(PRIVATE)
                .open(&unfinished)?;
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            file.sync_all()?;
            fs::rename(&unfinished, &path)
        })();
        written.map_err(|error: io::Error| cannot_write(&path, &error))
    }

    /// Forgets whoever is signed in; tells whether anybody was.
    pub(crate) fn forget(_lock: &Lock) -> Result<bool, Failure> {
        let path = path()?;
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Failure::not_possible(format!("cannot remove {}: {error}", path.display()))),
        }
    }
}

/// Waits until no other process changes what is kept.
pub(crate) async fn lock() -> Result<Lock, Failure> {
    let path = path()?;
    let locked = tokio::task::spawn_blocking({
        let path = path.clone();
        move || -> io::Result<Lock> {
            let folder = path.parent().ok_or(io::ErrorKind::InvalidFilename)?;
            fs::DirBuilder::new().recursive(true).mode(PRIVATE_FOLDER).create(folder)?;
            let lock = path.with_extension("lock");
            let file =
                fs::OpenOptions::new().write(true).create(true).truncate(false).mode(PRIVATE).open(lock)?;
            file.lock()?;
            Ok(Lock { _file: file })
        }
    })
    .await
    .map_err(io::Error::other);
    locked.and_then(|locked| locked).map_err(|error| cannot_write(&path, &error))
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::not_possible(format!("cannot write {}: {error}", path.display()))
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
