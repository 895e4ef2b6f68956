//! Running tests, and counting them by what the standard test runner prints.
//!
//! Where the host of a virtual machine steals its processors for a minute, nothing in it is on time, and a test that
//! waited in vain says nothing of the shop. What failed so, if nothing else did, is run again.

mod host;
mod report;

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    thread,
};

use anyhow::{Context as _, Result};

use self::{host::Host, report::Report};
use super::{Counts, Outcome};
use crate::{
    process::{self, Interrupt},
    say,
};

/// How often at most.
const AGAIN: usize = 3;

/// Runs the tests of a command, which is told the names of those to run if they are not all; its output passes through.
/// Before any is run again, what the others have left is tidied up.
pub(crate) fn run(
    command: impl Fn(&[String]) -> Command,
    tidy: impl Fn() -> Result<()>,
    counts: &mut Counts,
    interrupt: &Interrupt,
) -> Result<Outcome> {
    run_on(&Host::watch(), command, tidy, counts, interrupt)
}

fn run_on(
    host: &Host,
    command: impl Fn(&[String]) -> Command,
    tidy: impl Fn() -> Result<()>,
    counts: &mut Counts,
    interrupt: &Interrupt,
) -> Result<Outcome> {
    let mut report = once(&mut command(&[]), interrupt)?;
    for _ in 0..AGAIN {
        let Some(names) = report.robbed(|moment| host.stole_much_before(moment)) else { break };
        say::doing("Again", format_args!("{}, late while the host stole the processors", names.join(", ")));
        tidy()?;
        report.then(once(&mut command(&names), interrupt)?);
    }
    counts.add(&report.counts);
    Ok(report.outcome())
}

fn once(command: &mut Command, interrupt: &Interrupt) -> Result<Report> {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("cannot run cargo")?;
    let output = BufReader::new(child.stdout.take().context("cargo has no output")?);
    let reader = thread::spawn(move || {
        let mut report = Report::default();
        for line in output.split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            report.read(&line);
        }
        report
    });
    let status = process::wait(&mut child, interrupt)?;
    let mut report = reader.join().map_err(|_| anyhow::anyhow!("reading the tests' output failed"))?;
    report.end(status);
    Ok(report)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Runs two tests, of which `b` waits in vain, and `b` alone, which then passes. Outcome, counts, and how often was
    /// tidied up.
    fn run_late_test(host: &Host) -> (Outcome, String, u32) {
        const BOTH: &str = "echo 'running 2 tests'; echo 'test a ... ok'; echo 'test b ... FAILED';
            echo '---- b stdout ----'; echo 'Error: waited 30s in vain: an answer';
            echo 'test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out'; exit 101";
        const ALONE: &str = "echo 'running 1 test'; echo 'test b ... ok';
            echo 'test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 1 filtered out'";
        let (mut counts, tidied) = (Counts::default(), Cell::new(0));
        let command = |only: &[String]| {
            assert!(only.is_empty() || only == ["b"]);
            let mut command = Command::new("sh");
            command.args(["-c", if only.is_empty() { BOTH } else { ALONE }]);
            command
        };
        let tidy = || {
            tidied.set(tidied.get() + 1);
            Ok(())
        };
        let outcome = run_on(host, command, tidy, &mut counts, &Interrupt::default());
        (outcome.expect("sh runs"), counts.to_string(), tidied.get())
    }

    #[test]
    fn who_was_robbed_is_run_again() {
        let (outcome, counts, tidied) = run_late_test(&Host::stealing(1.0));

        assert!(matches!(outcome, Outcome::Passed));
        assert_eq!((counts.as_str(), tidied), ("2 passed, 0 failed, 0 skipped, 1 run again", 1));
    }

    #[test]
    fn what_fails_on_a_machine_that_has_its_time_is_not_run_again() {
        let (outcome, counts, tidied) = run_late_test(&Host::stealing(0.01));

        assert!(matches!(outcome, Outcome::Failed(_)));
        assert_eq!((counts.as_str(), tidied), ("1 passed, 1 failed, 0 skipped", 0));
    }
}
