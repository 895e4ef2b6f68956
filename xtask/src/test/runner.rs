//! Running tests, and counting them by what the standard test runner prints.
//!
//! Where the host of a virtual machine keeps its processors from it for a minute, nothing in it is on time, and a test
//! that fails says nothing of the shop. What failed then, and only then, is run again.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError, Sender},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use withheld::Processors;

use crate::{
    process::{self, Interrupt},
    say,
};

use super::{Counts, Outcome};

/// How often the processors are looked at.
const LOOK: Duration = Duration::from_secs(10);
/// What was withheld so long before a test's end may have made it fail: no test takes much longer.
const BEFORE: Duration = Duration::from_mins(3);
/// How often at most.
const AGAIN: usize = 3;
/// The part of one look's time from which on a failure is the host's as well as not.
const MUCH: f64 = 0.25;

/// Runs the tests of a command, which is told the names of those to run if they are not all; its output passes through.
pub(crate) fn run(
    command: impl Fn(&[String]) -> Command,
    counts: &mut Counts,
    interrupt: &Interrupt,
) -> Result<Outcome> {
    let mut report = once(&mut command(&[]), interrupt)?;
    for _ in 0..AGAIN {
        if !report.may_be_the_hosts() {
            break;
        }
        let names: Vec<String> = report.failed.iter().map(|failed| failed.name.clone()).collect();
        let most = report.failed.iter().map(|failed| failed.withheld).fold(0.0, f64::max);
        say::doing("Again", format_args!("{}, which failed while {}", names.join(", "), told(most)));
        report.then(once(&mut command(&names), interrupt)?);
    }
    counts.add(&report.counts);
    Ok(if report.has_passed { Outcome::Passed } else { Outcome::Failed("tests failed".to_owned()) })
}

/// Runs what has no tests that could be run again one by one: all of it again.
pub(super) fn whole(run: impl Fn() -> Result<Outcome>) -> Result<Outcome> {
    for _ in 0..AGAIN {
        let host = Host::watch();
        let outcome = run()?;
        let withheld = worst(&host.looks);
        match &outcome {
            Outcome::Failed(why) if withheld >= MUCH => {
                say::doing("Again", format_args!("{why}, while {}", told(withheld)));
            }
            _ => return Ok(outcome),
        }
    }
    run()
}

fn told(withheld: f64) -> String {
    format!("the host withheld up to {:.0} % of the processors", 100.0 * withheld)
}

/// What came of a run.
struct Report {
    counts: Counts,
    failed: Vec<Failed>,
    has_passed: bool,
}

struct Failed {
    name: String,
    /// The part of the processors' time that was withheld at the worst before its end.
    withheld: f64,
}

impl Report {
    /// Whether each failure is of a test that is known by name, at a time when much was withheld.
    fn may_be_the_hosts(&self) -> bool {
        !self.has_passed
            && !self.failed.is_empty()
            && self.failed.len() as u64 == self.counts.failed
            && self.failed.iter().all(|failed| failed.withheld >= MUCH)
    }

    /// As if those that were run again had ended so the first time.
    fn then(&mut self, again: Self) {
        let ran = again.counts.passed + again.counts.failed;
        // Otherwise not all that failed were found by their names.
        self.has_passed = again.has_passed && ran >= self.counts.failed;
        if ran >= self.counts.failed {
            self.counts.passed += self.counts.failed.saturating_sub(again.counts.failed);
            self.counts.failed = again.counts.failed;
        }
        self.failed = again.failed;
    }
}

fn once(command: &mut Command, interrupt: &Interrupt) -> Result<Report> {
    let host = Host::watch();
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("cannot run cargo")?;
    let output = BufReader::new(child.stdout.take().context("cargo has no output")?);
    let looks = Arc::clone(&host.looks);
    let reader = thread::spawn(move || {
        let (mut counts, mut failed) = (Counts::default(), Vec::new());
        for line in output.split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            counts.read(&line);
            if let Some(name) = failed_test(&line) {
                failed.push(Failed { name: name.to_owned(), withheld: worst(&looks) });
            }
        }
        (counts, failed)
    });
    let status = process::wait(&mut child, interrupt)?;
    let (counts, failed) = reader.join().map_err(|_| anyhow::anyhow!("reading the tests' output failed"))?;
    Ok(Report { counts, failed, has_passed: status.success() })
}

/// The name of a test that failed, of a line like `test orders::end ... FAILED`.
fn failed_test(line: &str) -> Option<&str> {
    line.strip_prefix("test ")?.strip_suffix(" ... FAILED")
}

type Looks = Arc<Mutex<Vec<(Instant, f64)>>>;

/// What the host withholds, look by look, until it is dropped.
struct Host {
    looks: Looks,
    _end: Sender<()>,
}

impl Host {
    fn watch() -> Self {
        let (end, ended) = mpsc::channel::<()>();
        let looks = Looks::default();
        let host = Self { looks: Arc::clone(&looks), _end: end };
        thread::spawn(move || {
            let mut before = Processors::read();
            while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                let now = Processors::read();
                let look = (Instant::now(), now.withheld_since(before));
                looks.lock().unwrap_or_else(PoisonError::into_inner).push(look);
                before = now;
            }
        });
        host
    }
}

/// The worst of the last looks.
fn worst(looks: &Looks) -> f64 {
    let looks = looks.lock().unwrap_or_else(PoisonError::into_inner);
    looks.iter().rev().take_while(|(at, _)| at.elapsed() <= BEFORE).map(|(_, part)| *part).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    const FAILS: &str = "echo 'test a ... ok'; echo 'test b ... FAILED';
        echo 'test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out'; exit 101";

    /// Five tests passed, and so many failed; these are known by name.
    fn report(failed: &[(&str, f64)], counted: u64) -> Report {
        let known = |(name, withheld): &(&str, f64)| Failed { name: (*name).to_owned(), withheld: *withheld };
        let mut counts = Counts::default();
        counts.read(&format!("test result: FAILED. 5 passed; {counted} failed; 0 ignored"));
        Report { counts, failed: failed.iter().map(known).collect(), has_passed: counted == 0 }
    }

    #[test]
    fn what_passes_in_the_end_has_passed_and_what_was_not_found_has_not() {
        let of = |report: &Report| (report.has_passed, report.counts.to_string());
        let mut both = report(&[("a", 0.8), ("b", 0.3)], 2);
        let mut again = report(&[("b", 0.0)], 1);
        again.counts.passed = 1;
        both.then(again);
        assert_eq!(of(&both), (false, "6 passed, 1 failed, 0 skipped".to_owned()));
        assert!(!both.may_be_the_hosts(), "b has failed on a machine that was there");

        let mut both = report(&[("a", 0.8), ("b", 0.3)], 2);
        both.then(report(&[], 0));
        assert_eq!(of(&both), (true, "7 passed, 0 failed, 0 skipped".to_owned()));

        let mut both = report(&[("a", 0.8), ("b", 0.3)], 2);
        both.then(Report { counts: Counts::default(), ..report(&[], 0) });
        assert_eq!(of(&both), (false, "5 passed, 2 failed, 0 skipped".to_owned()));
    }

    #[test]
    fn a_failed_test_is_known_by_its_line() {
        assert_eq!(failed_test("test orders::end ... FAILED"), Some("orders::end"));
        assert_eq!(failed_test("test orders::end ... ok"), None);
        assert_eq!(failed_test("test result: FAILED. 1 passed; 1 failed"), None);
    }

    #[test]
    fn only_what_failed_while_much_was_withheld_may_be_the_hosts() {
        assert!(report(&[("a", 0.8), ("b", 0.3)], 2).may_be_the_hosts());
        assert!(
            !report(&[("a", 0.8), ("b", 0.1)], 2).may_be_the_hosts(),
            "b failed on a machine that was there"
        );
        assert!(!report(&[("a", 0.8)], 2).may_be_the_hosts(), "of the other nobody knows the name");
        assert!(!report(&[], 0).may_be_the_hosts(), "it was no test that failed");
    }

    #[test]
    fn what_fails_on_a_machine_that_is_there_is_not_run_again() {
        let mut counts = Counts::default();
        let outcome = run(
            |only| {
                assert!(only.is_empty());
                shell(FAILS)
            },
            &mut counts,
            &Interrupt::default(),
        );
        assert!(matches!(outcome, Ok(Outcome::Failed(_))));
        assert_eq!(counts.to_string(), "1 passed, 1 failed, 0 skipped");
    }
}
