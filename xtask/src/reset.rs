//! `cargo xtask reset`: wipes the data of the shop on this machine.

use std::{fs, io, path::Path, process::ExitCode};

use anyhow::{Context, Result, bail};

use crate::local::{Local, Taken};

/// Everything that `up` makes. Installed servers are kept elsewhere and stay.
const WIPED: [&str; 7] = ["postgres", "nats", "mail", "jaeger", "secrets", "logs", "bin"];

pub(crate) fn run() -> Result<ExitCode> {
    let local = Local::open()?;
    let _lock = match local.lock()? {
        Ok(lock) => lock,
        Err(Taken { .. }) => bail!("the shop is running; `cargo xtask down` stops it"),
    };
    for name in WIPED {
        let path = local.path(name);
        wipe(&path).with_context(|| format!("cannot wipe {}", path.display()))?;
    }
    println!("The shop's data is wiped; `cargo xtask up` makes a new one.");
    Ok(ExitCode::SUCCESS)
}

/// Removes a folder; of a link, the folder it leads to as well.
fn wipe(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(facts) if facts.is_symlink() => {
            match fs::remove_dir_all(fs::read_link(path)?) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => (),
            }
            fs::remove_file(path)
        }
        Ok(_) => fs::remove_dir_all(path),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_goes_with_what_it_leads_to() {
        let folder = tempfile::tempdir().unwrap();
        let (data, link) = (folder.path().join("data"), folder.path().join("link"));
        fs::create_dir_all(data.join("base")).unwrap();
        symlink(&data, &link).unwrap();
        wipe(&link).unwrap();
        assert!(!data.exists() && fs::symlink_metadata(&link).is_err());
    }

    #[test]
    fn what_is_not_there_is_wiped_already() {
        let folder = tempfile::tempdir().unwrap();
        wipe(&folder.path().join("nothing")).unwrap();
        let dangling = folder.path().join("dangling");
        symlink(folder.path().join("gone"), &dangling).unwrap();
        wipe(&dangling).unwrap();
    }
}
