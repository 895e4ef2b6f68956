//! `cargo xtask fuzz`: searches for bytes that break a reader of bytes.

mod search;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    sync::Mutex,
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{
    build,
    local::{self, Local},
    process::Interrupt,
    say,
};

use self::search::Search;

/// What to search.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only these targets; all if none is given
    targets: Vec<String>,
    /// How long to search, all targets together
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// Only list the targets
    #[arg(long)]
    list: bool,
}

/// How long all targets together may take where nobody said how long.
const SHORT: Duration = Duration::from_secs(40);
/// The least time a target gets.
const LEAST: Duration = Duration::from_secs(2);

/// A reader of bytes, as the fuzzer tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    name: String,
    /// The longest input worth trying, in bytes.
    longest: u64,
    about: String,
}

/// Searches for as long as was asked for. What is learnt about a target is kept, so that the next search begins there.
pub(crate) fn run(args: &Args, interrupt: &Interrupt) -> Result<ExitCode> {
    ensure!(has_compiler(), "the fuzzer's engine is C++: install g++");
    let program = build::instrumented(interrupt)?;
    let mut targets = targets(&program)?;
    if let Some(unknown) = args.targets.iter().find(|name| targets.iter().all(|target| target.name != **name))
    {
        bail!("there is no target {unknown}; `cargo xtask fuzz --list` names them");
    }
    targets.retain(|target| args.targets.is_empty() || args.targets.contains(&target.name));
    if args.list {
        for target in targets {
            println!("{:<14} {}", target.name, target.about);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let corpora = Local::open()?.folder("fuzz")?;
    let found = search(&program, &targets, &corpora, Duration::from_mins(args.minutes), interrupt)?;
    Ok(if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Searches every target for a short while, from its examples on. What broke is told by name; nothing is told where the
/// engine can't be built.
pub(crate) fn short(interrupt: &Interrupt) -> Result<Option<Vec<String>>> {
    if !has_compiler() {
        return Ok(None);
    }
    let program = build::instrumented(interrupt)?;
    let corpora = tempfile::tempdir()?;
    search(&program, &targets(&program)?, corpora.path(), SHORT, interrupt).map(Some)
}

/// Names the targets that broke. As many are searched at once as there are processors.
fn search(
    program: &Path,
    targets: &[Target],
    corpora: &Path,
    time: Duration,
    interrupt: &Interrupt,
) -> Result<Vec<String>> {
    let workers = thread::available_parallelism().map_or(1, std::num::NonZero::get).min(targets.len().max(1));
    let rounds = targets.len().div_ceil(workers).max(1);
    let each = (time / u32::try_from(rounds)?).max(LEAST);
    say::doing(
        "Searching",
        format_args!("{} targets, {} s each, {workers} at once", targets.len(), each.as_secs()),
    );
    let waiting = Mutex::new(targets.iter());
    let next = || waiting.lock().ok()?.next();
    let outcomes = thread::scope(|scope| {
        let searches: Vec<_> = (0..workers)
            .map(|_| {
                scope.spawn(|| {
                    let mut outcomes = Vec::new();
                    while let Some(target) = next() {
                        let outcome = Search { program, target, corpora, time: each }.run(interrupt)?;
                        println!("{outcome}");
                        outcomes.push(outcome);
                    }
                    anyhow::Ok(outcomes)
                })
            })
            .collect();
        searches
            .into_iter()
            .map(|search| search.join().map_err(|_| anyhow::anyhow!("a search ended in a panic"))?)
            .collect::<Result<Vec<_>>>()
    })?;
    let outcomes: Vec<_> = outcomes.into_iter().flatten().collect();
    let executions: u64 = outcomes.iter().map(|outcome| outcome.executions).sum();
    let broken: Vec<_> = outcomes
        .into_iter()
        .filter(|outcome| outcome.broke.is_some())
        .map(|outcome| outcome.target)
        .collect();
    println!("{executions} executions of {} targets, {} broke", targets.len(), broken.len());
    Ok(broken)
}

/// Asks the fuzzer what it can search.
fn targets(program: &Path) -> Result<Vec<Target>> {
    let output = Command::new(program).stdin(Stdio::null()).output().context("cannot run the fuzzer")?;
    ensure!(output.status.success(), "the fuzzer doesn't tell its targets");
    read_targets(&String::from_utf8_lossy(&output.stdout)).context("the fuzzer's targets can't be read")
}

/// `isbn<TAB>256<TAB>ISBNs, typed and to be repaired`
fn read_targets(list: &str) -> Option<Vec<Target>> {
    let read = |line: &str| {
        let mut columns = line.splitn(3, '\t').map(str::to_owned);
        Some(Target { name: columns.next()?, longest: columns.next()?.parse().ok()?, about: columns.next()? })
    };
    list.lines().map(read).collect()
}

/// Whether there is a C++ compiler, where the engine's build looks for one.
fn has_compiler() -> bool {
    let compiler = std::env::var_os("CXX").unwrap_or_else(|| "c++".into());
    Command::new(compiler).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Inputs that broke a target once.
fn regressions(target: &str) -> PathBuf {
    local::checkout().join("fuzz/regressions").join(target)
}

fn folder(path: PathBuf) -> Result<PathBuf> {
    fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_as_the_fuzzer_tells_them() {
        let isbn =
            Target { name: "isbn".into(), longest: 256, about: "ISBNs, typed and to be repaired".into() };
        assert_eq!(read_targets("isbn\t256\tISBNs, typed and to be repaired\n"), Some(vec![isbn]));
        assert_eq!(read_targets("WARNING: something else\n"), None);
    }
}
