//! Installing what is missing.

use std::{fs, path::Path, sync::Mutex, thread};

use anyhow::{Context as _, Result};

use crate::{process::Interrupt, say};

use super::{Go, Missing, Source, Tool, cache, put, python};

/// Makes sure that these are there. Fails with [`Missing`] where this machine lacks what it takes to install them.
pub(crate) fn install(tools: &[Tool], interrupt: &Interrupt) -> Result<()> {
    let cache = cache()?;
    if all_here(tools)? {
        return Ok(());
    }
    // Of two that install at once one waits, and then finds it done.
    let lock = fs::File::create(cache.join("install.lock"))?;
    interrupt.wait_for(|| match lock.try_lock() {
        Ok(()) => Ok(Some(())),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(error).context("cannot lock the folder of tools"),
    })?;
    let of = |wanted: fn(&Source) -> bool| -> Result<Vec<Tool>> {
        let mut missing = Vec::new();
        for tool in tools {
            if wanted(&tool.source) && !tool.program()?.exists() {
                missing.push(*tool);
            }
        }
        Ok(missing)
    };
    let (with_go, with_python) = (
        of(|source| matches!(source, Source::Go { .. }))?,
        of(|source| matches!(source, Source::Python { .. }))?,
    );
    // Before minutes go into the others.
    let go = if with_go.is_empty() { None } else { Some(Go::find()?) };
    // Go's compiler takes all cores by itself; packages of Python are mostly waited for.
    let failed = Mutex::new(Ok(()));
    let each = |tools: &[Tool]| {
        for tool in tools {
            let outcome = one(*tool, go.as_ref(), &cache, interrupt);
            if let Ok(mut failed) = failed.lock()
                && failed.is_ok()
            {
                *failed = outcome;
            }
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| each(&with_python));
        each(&with_go);
    });
    lock.unlock()?;
    failed.into_inner().unwrap_or(Ok(()))
}

fn all_here(tools: &[Tool]) -> Result<bool> {
    for tool in tools {
        if !tool.program()?.exists() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn one(tool: Tool, go: Option<&Go>, cache: &Path, interrupt: &Interrupt) -> Result<()> {
    interrupt.check()?;
    say::doing("Installing", tool);
    let outcome = match tool.source {
        Source::Go { package, instead_of } => {
            let go = go.context("no Go was looked for")?;
            let made = tempfile::Builder::new().prefix(".making-").tempdir_in(cache)?;
            let bin = made.path().join("bin");
            fs::create_dir(&bin)?;
            go.build(package, tool.version, instead_of, &bin.join(tool.name), interrupt).and_then(|()| {
                let folder = tool.folder()?;
                if folder.exists() {
                    fs::remove_dir_all(&folder)?;
                }
                put(&made.keep(), &folder)
            })
        }
        Source::Python { package } => {
            let folder = tool.folder()?;
            let outcome = python::install(package, tool.version, &folder, interrupt);
            if outcome.is_err() {
                // A half-made environment would be taken for a whole one.
                fs::remove_dir_all(&folder).ok();
            }
            outcome
        }
    };
    // What is missing here is told as such, not as a failure of this tool.
    outcome.map_err(|error| {
        if error.is::<Missing>() { error } else { error.context(format!("cannot install {tool}")) }
    })
}
