//! The account that Postgres runs under: it refuses to run as root.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

/// A user and a group of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

pub(crate) fn is_root() -> bool {
    // The owner of a process's folder is its effective user.
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Whom to become to run Postgres; `None` for staying who we are.
pub(crate) fn for_postgres() -> Option<Account> {
    is_root().then(|| {
        let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
        named(&accounts, "postgres")
            .or_else(|| named(&accounts, "nobody"))
            .unwrap_or(Account { uid: 65534, gid: 65534 })
    })
}

fn named(passwd: &str, name: &str) -> Option<Account> {
    let mut fields = passwd
        .lines()
        .map(|line| line.split(':'))
        .find_map(|mut fields| (fields.next() == Some(name)).then_some(fields))?;
    let uid = fields.nth(1)?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    Some(Account { uid, gid })
}

/// A folder, reached as `at`, that the Postgres started from here can keep its data in.
///
/// Root's own folders are closed to the account that Postgres runs under; there `at` becomes a link to a folder below
/// the system's temporary one.
pub fn data_folder(at: &Path) -> Result<PathBuf> {
    if let Ok(folder) = at.canonicalize() {
        return Ok(folder);
    }
    if let Some(parent) = at.parent() {
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    }
    let Some(account) = for_postgres() else {
        fs::create_dir_all(at).with_context(|| format!("cannot make {}", at.display()))?;
        return Ok(at.canonicalize()?);
    };
    let target = match fs::read_link(at) {
        Ok(lost) => lost,
        Err(_) => std::env::temp_dir().join(format!("bookstore-{}", unique()?)),
    };
    fs::create_dir_all(&target).with_context(|| format!("cannot make {}", target.display()))?;
    give_to(&target, account)?;
    if !at.is_symlink() {
        symlink(&target, at).with_context(|| format!("cannot link {}", at.display()))?;
    }
    Ok(target)
}

/// Makes `folder`, and everything in it, the account's alone.
pub(crate) fn give_to(folder: &Path, account: Account) -> Result<()> {
    chown(folder, Some(account.uid), Some(account.gid))
        .with_context(|| format!("cannot give {} to uid {}", folder.display(), account.uid))?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    Ok(())
}

/// Refuses a folder that the account could not reach, before Postgres does so less clearly.
pub(crate) fn check_reachable(folder: &Path) -> Result<()> {
    for ancestor in folder.ancestors().skip(1).filter(|path| !path.as_os_str().is_empty()) {
        let facts = fs::metadata(ancestor).with_context(|| format!("no folder {}", ancestor.display()))?;
        if facts.mode() & 0o001 == 0 {
            bail!(
                "Postgres does not run as root, and no other account can enter {}: choose a data folder elsewhere",
                ancestor.display()
            );
        }
    }
    Ok(())
}

/// Something that nobody else on this machine has: the kernel's random UUID.
pub(crate) fn unique() -> Result<String> {
    let uuid = fs::read_to_string("/proc/sys/kernel/random/uuid")?;
    Ok(uuid.trim().replace('-', ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        let passwd =
            "postgresql:x:7:8::/:/bin/sh\npostgres:x:101:104:PostgreSQL:/var/lib/postgresql:/bin/bash\n";
        assert_eq!(named(passwd, "postgres"), Some(Account { uid: 101, gid: 104 }));
        assert_eq!(named(passwd, "post"), None);
    }
}
