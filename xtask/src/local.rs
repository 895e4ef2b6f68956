//! The folder `.local/`, where a shop on this machine keeps everything.

use std::{
    env,
    fs::{self, File, OpenOptions, TryLockError},
    io::{Read, Write},
    path::{Path, PathBuf},
    process,
};

use anyhow::{Context, Result};

/// Names another folder than `.local/`.
pub(crate) const FOLDER: &str = "BOOKSTORE_LOCAL";

/// The checkout that this program was built from.
pub(crate) fn checkout() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}

/// The folders of a shop on this machine.
#[derive(Debug)]
pub(crate) struct Local {
    root: PathBuf,
}

/// Held by whoever starts, runs or wipes the shop. Let go when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Drop for Lock {
    /// Unlocks by name: closing isn't enough while a child that is just being started still has a copy of the file.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

/// The shop belongs to a process already.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// `None` while it has not yet written its id.
    pub(crate) by: Option<u32>,
}

impl Local {
    /// The checkout's, or the folder that `BOOKSTORE_LOCAL` names: a second shop's, one at a time.
    pub(crate) fn open() -> Result<Self> {
        Self::at(env::var_os(FOLDER).map_or_else(|| checkout().join(".local"), PathBuf::from))
    }

    pub(crate) fn at(root: PathBuf) -> Result<Self> {
        fs::create_dir_all(&root).with_context(|| format!("cannot make {}", root.display()))?;
        Ok(Self { root })
    }

    /// One of its folders, made if missing.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.root.join(name);
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(folder)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub(crate) fn lock(&self) -> Result<Result<Lock, Taken>> {
        let path = self.path("up.pid");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {
                file.set_len(0)?;
                write!(file, "{}", process::id())?;
                Ok(Ok(Lock(file)))
            }
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                file.read_to_string(&mut owner)?;
                Ok(Err(Taken { by: owner.parse().ok() }))
            }
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock {}", path.display()))
            }
        }
    }
}

/// A path as people would type it from where they are.
pub(crate) fn short(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shop_has_one_owner_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let local = Local::at(folder.path().join(".local")).unwrap();
        let lock = local.lock().unwrap().unwrap();
        assert_eq!(local.lock().unwrap().unwrap_err(), Taken { by: Some(process::id()) });
        drop(lock);
        assert!(local.lock().unwrap().is_ok());
    }
}
