//! One target's search.

use std::{
    fmt,
    io::{BufRead as _, BufReader},
    path::Path,
    process::Stdio,
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};

use crate::{
    local,
    process::{self, Interrupt},
};

use super::{Target, folder, regressions};

/// How long one input may take, in seconds: no input does, but a machine may be busy.
const PATIENCE: u32 = 60;
/// How much memory a search may have, in megabytes.
const MEMORY: u32 = 1024;
/// How many lines of what the engine says are shown when a target breaks.
const TOLD: usize = 60;

/// A search of one target.
pub(super) struct Search<'a> {
    pub(super) program: &'a Path,
    pub(super) target: &'a Target,
    /// Holds a folder for each target.
    pub(super) corpora: &'a Path,
    pub(super) time: Duration,
}

/// How it ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) target: String,
    pub(super) executions: u64,
    /// How many branches were reached.
    reached: u64,
    /// What the engine said at the end, and where the input is.
    pub(super) broke: Option<String>,
}

impl Search<'_> {
    pub(super) fn run(&self, interrupt: &Interrupt) -> Result<Outcome> {
        let name = &self.target.name;
        let own = folder(self.corpora.join(name))?;
        let corpus = folder(own.join("corpus"))?;
        // What breaks a target is no part of what is built on: it is shown, mended and put with the regressions.
        let found = folder(local::checkout().join(".local/fuzz").join(name).join("found"))?;
        let mut command = process::ending_with_us(self.program);
        command
            .env("BOOKSTORE_FUZZ_TARGET", name)
            .env("BOOKSTORE_FUZZ_CORPUS", &corpus)
            .arg(format!("-max_total_time={}", self.time.as_secs()))
            .arg(format!("-max_len={}", self.target.longest))
            .arg(format!("-timeout={PATIENCE}"))
            .arg(format!("-rss_limit_mb={MEMORY}"))
            .arg(format!("-artifact_prefix={}/", found.display()))
            .arg("-print_final_stats=1")
            .arg(&corpus)
            .args(Some(regressions(name)).filter(|folder| folder.is_dir()));
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot run the fuzzer")?;
        let said = BufReader::new(child.stderr.take().context("the fuzzer says nothing")?);
        let reader = thread::spawn(move || {
            let mut told = Told::default();
            for line in said.split(b'\n').map_while(Result::ok) {
                told.read(&String::from_utf8_lossy(&line));
            }
            told
        });
        let status = process::wait(&mut child, interrupt)?;
        let told = reader.join().map_err(|_| anyhow::anyhow!("reading what the fuzzer says failed"))?;
        let broke = (!status.success()).then(|| {
            let keep = regressions(name);
            format!(
                "{}\n{status}; a test of every build once it lies in {}",
                told.last.join("\n"),
                local::short(&keep)
            )
        });
        Ok(Outcome { target: name.clone(), executions: told.executions, reached: told.reached, broke })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, executions, reached, broke } = self;
        write!(f, "{executions:>10} executions  {reached:>6} branches  {target}")?;
        broke.as_ref().map_or(Ok(()), |broke| write!(f, " BROKE\n{broke}"))
    }
}

/// What libFuzzer says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    executions: u64,
    reached: u64,
    last: Vec<String>,
}

impl Told {
    /// Takes note of lines like `stat::number_of_executed_units: 53758` and `#1024 NEW cov: 307 ft: 412 corp: …`.
    fn read(&mut self, line: &str) {
        if let Some(executions) = line.strip_prefix("stat::number_of_executed_units:") {
            self.executions = executions.trim().parse().unwrap_or(self.executions);
            return;
        }
        if let Some((_, reached)) = line.split_once(" cov: ").filter(|_| line.starts_with('#')) {
            let reached = reached.split_whitespace().next().and_then(|reached| reached.parse().ok());
            self.reached = reached.unwrap_or(self.reached);
            return;
        }
        if line.starts_with("stat::") || line.starts_with("\tNEW_FUNC") {
            return;
        }
        if self.last.len() == TOLD {
            self.last.remove(0);
        }
        self.last.push(line.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_engine_says_is_counted_and_its_end_kept() {
        let mut told = Told::default();
        for line in [
            "INFO: Seed: 1",
            "#2\tINITED cov: 12 ft: 13 corp: 1/1b exec/s: 0 rss: 29Mb",
            "#1024\tNEW    cov: 307 ft: 412 corp: 9/1Kb lim: 21 exec/s: 0 rss: 29Mb",
            "thread '<unnamed>' panicked at src/lib.rs:1:1:",
            "stat::number_of_executed_units: 53758",
            "stat::peak_rss_mb:              29",
        ] {
            told.read(line);
        }
        let last =
            vec!["INFO: Seed: 1".to_owned(), "thread '<unnamed>' panicked at src/lib.rs:1:1:".to_owned()];
        assert_eq!(told, Told { executions: 53_758, reached: 307, last });
    }
}
