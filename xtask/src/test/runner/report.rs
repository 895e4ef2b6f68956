//! What came of a run of tests, by what the standard test runner prints.

use std::{collections::HashSet, process::ExitStatus, time::Instant};

use crate::test::{Counts, Outcome};

/// What tells, in a failed test's last words, that something was not done in time or not answered. The last two are
/// tokio's and tonic's own.
const LATE: [&str; 7] = [
    "in vain",
    "unavailable",
    "deadline expired",
    "deadlineexceeded",
    "timed out",
    "deadline has elapsed",
    "timeout expired",
];
/// What tells, anywhere in its output, that the shop broke a promise or that something was not as it must be, be there
/// time or not. The latter are the words of `assert!` and `assert_eq!` that say nothing of their own.
const BROKEN: [&str; 3] = ["violation", "assertion `", "assertion failed"];

/// What came of a run.
#[derive(Default)]
pub(super) struct Report {
    pub(super) counts: Counts,
    failed: Vec<Failed>,
    /// How many tests the programs said that they would run.
    announced: u64,
    /// The names of those that ended.
    ended: HashSet<String>,
    /// Whose output follows, by place in `failed`.
    speaks: Option<usize>,
    /// Why it has not passed.
    failure: Option<String>,
}

/// A test that failed.
struct Failed {
    name: String,
    at: Instant,
    /// Whether it has come to its last words: how it panicked, or the error that it ended with.
    ends: bool,
    why: Why,
}

/// Why a test failed, by what it said.
#[derive(PartialEq, Eq)]
enum Why {
    Untold,
    Late,
    Broken,
}

impl Report {
    /// Takes note of a line of the output.
    pub(super) fn read(&mut self, line: &str) {
        self.counts.read(line);
        if let Some(announced) = announced(line) {
            self.announced += announced;
        } else if let Some((name, verdict)) = ended(line) {
            self.ended.insert(name.to_owned());
            if verdict == "FAILED" {
                self.failed.push(Failed::new(name));
            }
        } else if let Some(name) = speaker(line) {
            self.speaks = self.failed.iter().rposition(|failed| failed.name == name);
        } else if ["successes:", "failures:"].contains(&line) {
            self.speaks = None;
        } else if let Some(failed) = self.speaks.and_then(|place| self.failed.get_mut(place)) {
            failed.read(line);
        }
    }

    /// That its command has ended so.
    pub(super) fn end(&mut self, status: ExitStatus) {
        self.failure = (!status.success()).then(|| {
            if self.is_whole() {
                format!("tests failed, {status}")
            } else {
                format!("tests broke off, {status}")
            }
        });
    }

    /// Whether each program came to the end of its tests.
    fn is_whole(&self) -> bool {
        self.announced == self.counts.total()
    }

    /// The names of the tests that failed, if each may have done so because the host stole the processors: it was late,
    /// or was not answered, and has found nothing that no delay explains. Whether much was stolen before a moment is asked
    /// only then.
    pub(super) fn robbed(&self, stole_much_before: impl Fn(Instant) -> bool) -> Option<Vec<String>> {
        let all_may = self.failure.is_some()
            && self.is_whole()
            && !self.failed.is_empty()
            && self.failed.len() as u64 == self.counts.failed
            && self.failed.iter().all(|failed| failed.why == Why::Late)
            && self.failed.iter().all(|failed| stole_much_before(failed.at));
        all_may.then(|| self.failed.iter().map(|failed| failed.name.clone()).collect())
    }

    /// As if those that were run `again` had ended so the first time.
    pub(super) fn then(&mut self, again: Self) {
        self.counts.again += self.counts.failed;
        let found = again.is_whole() && self.failed.iter().all(|failed| again.ended.contains(&failed.name));
        if !found {
            self.failed.clear();
            return;
        }
        self.counts.passed += self.counts.failed.saturating_sub(again.counts.failed);
        self.counts.failed = again.counts.failed;
        self.failed = again.failed;
        self.failure = again.failure;
    }

    pub(super) fn outcome(self) -> Outcome {
        self.failure.map_or(Outcome::Passed, Outcome::Failed)
    }
}

impl Failed {
    fn new(name: &str) -> Self {
        Self { name: name.to_owned(), at: Instant::now(), ends: false, why: Why::Untold }
    }

    fn read(&mut self, line: &str) {
        self.ends |=
            line.starts_with("Error: ") || (line.starts_with("thread '") && line.contains(" panicked at "));
        let line = line.to_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| line.contains(word));
        if has(&BROKEN) {
            self.why = Why::Broken;
        } else if self.ends && self.why == Why::Untold && (has(&LATE) || took_time(&line)) {
            self.why = Why::Late;
        }
    }
}

/// Whether a line says how long something took: `took 1.5s`, `took [300ms, 2s]`; not `took: DELETE FROM payments`.
fn took_time(line: &str) -> bool {
    line.split("took ").skip(1).filter_map(|rest| rest.split_whitespace().next()).any(|word| {
        let word = word.trim_matches(['[', ']', ',', '.']);
        let number =
            ["ns", "µs", "ms", "s"].iter().find_map(|unit| word.strip_suffix(unit)?.parse::<f64>().ok());
        number.is_some()
    })
}

/// Of a line like `running 8 tests`.
fn announced(line: &str) -> Option<u64> {
    let (number, what) = line.strip_prefix("running ")?.split_once(' ')?;
    if ["test", "tests"].contains(&what) { number.parse().ok() } else { None }
}

/// Name and verdict of a line like `test orders::end ... FAILED`.
fn ended(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix("test ")?.rsplit_once(" ... ")
}

/// Of a line like `---- orders::end stdout ----`.
fn speaker(line: &str) -> Option<&str> {
    line.strip_prefix("---- ")?.strip_suffix(" stdout ----")
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    fn read(output: &str, code: i32) -> Report {
        let mut report = Report::default();
        for line in output.lines() {
            report.read(line);
        }
        report.end(ExitStatus::from_raw(code << 8));
        report
    }

    /// The output of a program in which `a` passes and `b` fails with these words.
    fn b_fails(words: &str) -> String {
        format!(
            "running 2 tests\ntest a ... ok\ntest b ... FAILED\n\nfailures:\n\n---- b stdout ----\nasks\n{words}\n\n\
             failures:\n    b\n\n\
             test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 2.00s\n"
        )
    }

    /// The output of a program that runs `b` alone, which ends so.
    fn b_ends(verdict: &str) -> String {
        let failed = u8::from(verdict == "FAILED");
        format!(
            "running 1 test\ntest b ... {verdict}\n\n\
             test result: x. {} passed; {failed} failed; 0 ignored; 0 measured; 1 filtered out\n",
            1 - failed
        )
    }

    const WAITED: &str = "Error: waited 30s in vain: 3 copies on the shelf";

    #[test]
    fn who_was_late_while_much_was_stolen_may_be_run_again() {
        for late in [
            WAITED,
            "Error: PlaceOrder\n\nCaused by:\n    code: 'The service is currently unavailable', message: \"\"",
            "Error: deadline has elapsed",
            "Error: code: 'The operation was cancelled', message: \"Timeout expired\"",
            "\nthread 'b' (71) panicked at tests/it/hops.rs:27:5:\nit took 2.3s",
            "\nthread 'b' (71) panicked at tests/it/sessions.rs:111:5:\ntook [1.2s, 950.1ms]",
        ] {
            let report = read(&b_fails(late), 101);
            assert_eq!(report.robbed(|_| true), Some(vec!["b".to_owned()]), "{late}");
            assert_eq!(report.robbed(|_| false), None, "on a machine that had its time: {late}");
        }
    }

    #[test]
    fn a_broken_promise_is_nobodys_delay() {
        for broken in [
            "Error: after 30s there are 2 violations:\nshelves: 21 of 20 copies were sold; the service was unavailable",
            "2 violations\nError: waited 30s in vain: they end",
            "\nthread 'b' (71) panicked at tests/it/buying.rs:9:5:\nassertion `left == right` failed\n  left: 21\n right: 20",
            "\nthread 'b' (71) panicked at tests/it/calls.rs:9:5:\nassertion `left == right` failed\n  left: Ok\n right: Unavailable",
            "\nthread 'b' (71) panicked at tests/it/calls.rs:9:5:\nassertion failed: status.code() == Code::Unavailable",
            "Error: the database took: DELETE FROM transfers",
            "Error: the second replica took 0.613 of the calls",
            // What it printed before is not why it failed.
            "unavailable, once\nError: the wallet holds 3, not 5",
        ] {
            assert_eq!(read(&b_fails(broken), 101).robbed(|_| true), None, "{broken}");
        }
    }

    #[test]
    fn a_program_that_breaks_off_is_not_forgotten_for_another_ones_delay() {
        let dies = "running 3 tests\ntest c ... ok\n";
        let report = read(&(b_fails(WAITED) + dies), 101);
        assert_eq!(report.robbed(|_| true), None);
        assert!(matches!(report.outcome(), Outcome::Failed(why) if why.starts_with("tests broke off")));
    }

    #[test]
    fn one_late_test_does_not_excuse_another() {
        let both = b_fails(WAITED) + &b_fails("Error: the wallet holds 3, not 5");
        assert_eq!(read(&both, 101).robbed(|_| true), None);
    }

    #[test]
    fn what_passes_in_the_end_has_passed_and_is_counted() {
        let mut report = read(&b_fails(WAITED), 101);
        report.then(read(&b_ends("FAILED"), 101));
        assert_eq!(report.counts.to_string(), "1 passed, 1 failed, 0 skipped, 1 run again");
        assert_eq!(report.robbed(|_| false), None, "b has failed on a machine that had its time");

        let mut report = read(&b_fails(WAITED), 101);
        report.then(read(&b_ends("ok"), 0));
        assert_eq!(report.counts.to_string(), "2 passed, 0 failed, 0 skipped, 1 run again");
        assert!(matches!(report.outcome(), Outcome::Passed));
    }

    #[test]
    fn what_was_not_found_again_has_failed() {
        for again in ["", "running 0 tests\n\ntest result: ok. 0 passed; 0 failed; 0 ignored\n"] {
            let mut report = read(&b_fails(WAITED), 101);
            report.then(read(again, 0));
            assert_eq!(report.counts.to_string(), "1 passed, 1 failed, 0 skipped, 1 run again");
            assert_eq!(report.robbed(|_| true), None);
            assert!(matches!(report.outcome(), Outcome::Failed(_)));
        }
    }
}
