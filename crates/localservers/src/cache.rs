//! Where installed servers are kept between runs.

use std::{
    env,
    fs::{self, File},
    path::PathBuf,
};

use anyhow::{Context, Result};

use crate::account;

/// Where the user's cache folder for this project keeps servers.
pub(crate) fn folder() -> Result<PathBuf> {
    let folder = project()?.join("servers");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// Where somebody may have put programs for this project.
pub(crate) fn programs() -> Result<PathBuf> {
    Ok(project()?.join("bin"))
}

fn project() -> Result<PathBuf> {
    let base = match env::var_os("XDG_CACHE_HOME").filter(|folder| !folder.is_empty()) {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env::var_os("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?)
            .join(".cache"),
    };
    Ok(base.join("bookstore"))
}

/// As [`folder`], but one whose programs another account can run too: root's home is closed to Postgres.
pub(crate) fn shared_folder() -> Result<PathBuf> {
    if !account::is_root() {
        return folder();
    }
    let folder = PathBuf::from("/var/cache/bookstore/servers");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// Held while something is installed, so that processes started together don't install it twice over each other.
pub(crate) struct InstallLock(#[expect(dead_code, reason = "the lock lasts as long as the open file")] File);

impl InstallLock {
    pub(crate) fn acquire() -> Result<Self> {
        let path = folder()?.join("install.lock");
        let file = File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
        file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
        Ok(Self(file))
    }
}
