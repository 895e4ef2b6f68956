//! The recipe for a new RPC, followed as it is written: its blocks go into a copy of the checkout, its commands run there.

mod page;

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    fs,
    io::{BufRead as _, BufReader},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use anyhow::{Context as _, Result, bail, ensure};

use self::page::{Block, Run};
use super::steps::Outcome;
use crate::{
    build::cargo,
    local,
    process::{self, Interrupt},
    tools,
};

const PAGE: &str = "docs/ADDING-AN-RPC.md";
/// In seconds, of one command: it may have to build much.
const LIMIT: &str = "900";

/// Follows the page in a copy that stays, so that the next time only what has changed is built.
pub(super) fn run(interrupt: &Interrupt) -> Result<Outcome> {
    let page =
        fs::read_to_string(local::checkout().join(PAGE)).with_context(|| format!("cannot read {PAGE}"))?;
    let blocks = page::blocks(&page)?;
    let mut tree = checkout()?;
    let build = build_folder()?;
    let kitchen =
        Kitchen { copy: build.join("recipe/checkout"), programs: build.join("recipe/target"), build };
    let mut is_linted = false;
    for block in &blocks {
        match block {
            Block::Edit(edit) => edit.apply(&mut tree)?,
            Block::Run(run) => {
                kitchen.lay_out(&tree)?;
                if !is_linted {
                    kitchen.lint(interrupt)?;
                    is_linted = true;
                }
                kitchen.run(run, interrupt)?;
            }
        }
    }
    Ok(Outcome::Passed)
}

/// What a file holds, by its path in the checkout.
type Tree = BTreeMap<PathBuf, Vec<u8>>;

/// Everything that git knows or would add.
fn checkout() -> Result<Tree> {
    let listed = Command::new("git")
        .current_dir(local::checkout())
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .stdin(Stdio::null())
        .output()
        .context("cannot run git")?;
    ensure!(listed.status.success(), "git can't list the files: {}", String::from_utf8_lossy(&listed.stderr));
    let mut tree = Tree::new();
    for path in listed.stdout.split(|byte| *byte == 0).filter(|path| !path.is_empty()) {
        let path = PathBuf::from(OsStr::from_bytes(path));
        match fs::read(local::checkout().join(&path)) {
            Ok(contents) => drop(tree.insert(path, contents)),
            // Deleted, and git has yet to hear of it.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }
    Ok(tree)
}

/// Where cargo builds.
fn build_folder() -> Result<PathBuf> {
    let told = cargo()
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    let told: serde_json::Value =
        serde_json::from_slice(&told.stdout).context("cargo metadata tells nothing")?;
    Ok(told["target_directory"].as_str().context("cargo metadata names no folder")?.into())
}

/// Where the recipe is cooked.
///
/// The copy lies always at one place: cargo knows packages by their paths, and would build them all anew elsewhere. It
/// shares the checkout's folder for what is built, so that nothing of others' is built twice. Packages of ours have other
/// paths there and so other names, and programs go to a folder apart: the checkout's own stay as they are.
struct Kitchen {
    copy: PathBuf,
    programs: PathBuf,
    build: PathBuf,
}

impl Kitchen {
    /// Makes the copy hold what `tree` does; leaves alone what it holds already, so that cargo finds it unchanged.
    fn lay_out(&self, tree: &Tree) -> Result<()> {
        let present = Contents::of(&self.copy)?;
        for path in present.files {
            if !tree.contains_key(&path) {
                fs::remove_file(self.copy.join(path))?;
            }
        }
        // Cargo takes what is left of a package's folder for the package. The innermost go first; those that hold something
        // stay.
        for folder in present.folders.iter().rev() {
            let _ = fs::remove_dir(self.copy.join(folder));
        }
        for (path, contents) in tree {
            let path = self.copy.join(path);
            if !fs::read(&path).is_ok_and(|present| present == *contents) {
                if let Some(folder) = path.parent() {
                    fs::create_dir_all(folder)?;
                }
                fs::write(&path, contents).with_context(|| format!("cannot write {}", path.display()))?;
            }
        }
        Ok(())
    }

    /// A recipe that teaches what the checks refuse would be none.
    fn lint(&self, interrupt: &Interrupt) -> Result<()> {
        tools::install(&[tools::BUF], interrupt)?;
        let buf = tools::BUF.program()?;
        for args in [&["lint"] as &[&str], &["format", "--diff", "--exit-code"]] {
            let status =
                process::run(Command::new(&buf).current_dir(self.copy.join("proto")).args(args), interrupt)?;
            ensure!(status.success(), "buf {} refuses the contract", args.join(" "));
        }
        Ok(())
    }

    /// Runs a command and holds what it prints against the page.
    fn run(&self, run: &Run, interrupt: &Interrupt) -> Result<()> {
        println!("$ {}", run.command);
        // A service that starts after all would wait for its database for ever.
        let mut child = Command::new("timeout")
            .args([LIMIT, "bash", "-c", &format!("{{ {}\n}} 2>&1", run.command)])
            .current_dir(&self.copy)
            .env("CARGO_TARGET_DIR", &self.programs)
            .env("CARGO_BUILD_BUILD_DIR", &self.build)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run `timeout`")?;
        let output = BufReader::new(child.stdout.take().context("bash has no output")?);
        let reader = thread::spawn(move || {
            let lines = output.lines().map_while(Result::ok).inspect(|line| println!("{line}"));
            lines.collect::<Vec<_>>()
        });
        let status = process::wait(&mut child, interrupt)?;
        let printed = reader.join().map_err(|_| anyhow::anyhow!("reading the output failed"))?;
        if status.success() == run.fails {
            bail!("`{}` ended with {status}, which {PAGE} says otherwise", run.command);
        }
        if let Some(missing) = run.missing_in(&printed) {
            bail!("after `{}` {PAGE} says: {missing}", run.command);
        }
        Ok(())
    }
}

/// What is in a folder and below it, if it is there.
#[derive(Default)]
struct Contents {
    files: BTreeSet<PathBuf>,
    /// Each before those in it.
    folders: Vec<PathBuf>,
}

impl Contents {
    fn of(folder: &Path) -> Result<Self> {
        let (mut found, mut unread) = (Self::default(), vec![PathBuf::new()]);
        while let Some(inner) = unread.pop() {
            let Ok(entries) = fs::read_dir(folder.join(&inner)) else { continue };
            for entry in entries {
                let entry = entry?;
                let path = inner.join(entry.file_name());
                if entry.file_type()?.is_dir() {
                    found.folders.push(path.clone());
                    unread.push(path);
                } else {
                    found.files.insert(path);
                }
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_of_a_package_that_is_gone() {
        let folder = tempfile::tempdir().expect("a folder");
        let [copy, programs, build] = ["copy", "programs", "build"].map(|name| folder.path().join(name));
        let kitchen = Kitchen { copy: copy.clone(), programs, build };
        let tree = |paths: &[&str]| -> Tree { paths.iter().map(|path| (path.into(), Vec::new())).collect() };
        kitchen.lay_out(&tree(&["crates/gone/src/lib.rs", "crates/kept/src/lib.rs"])).expect("laid out");

        kitchen.lay_out(&tree(&["crates/kept/src/lib.rs"])).expect("laid out");

        assert!(copy.join("crates/kept/src/lib.rs").exists());
        assert!(!copy.join("crates/gone").exists());
    }
}
