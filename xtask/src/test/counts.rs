//! Counting tests by what the standard test runner prints.

use std::fmt;

/// How many tests there were, over all test programs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    skipped: u64,
    /// How often something was run again, because it was late on a machine that was kept from its processors.
    pub(crate) again: u64,
}

impl Counts {
    /// How many ended, in whatever way.
    pub(crate) const fn total(&self) -> u64 {
        self.passed + self.failed + self.skipped
    }

    /// Takes note of a line like `test result: ok. 7 passed; 0 failed; 1 ignored; 0 measured; …`.
    pub(crate) fn read(&mut self, line: &str) {
        let Some((_, result)) = line.split_once("test result: ") else { return };
        // The verdict ends with a full stop.
        let numbers = result.split_once(". ").map_or("", |(_, numbers)| numbers);
        for part in numbers.split(';') {
            let mut words = part.split_whitespace();
            let (Some(Ok(number)), Some(what)) = (words.next().map(str::parse::<u64>), words.next()) else {
                continue;
            };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.skipped += number,
                _ => (),
            }
        }
    }

    /// Takes note of helm-unittest's summary: `Tests:  3 failed, 1 errored, 40 passed, 44 total`. How many passed.
    pub(crate) fn read_suites(&mut self, output: &str) -> u64 {
        let before = self.passed;
        let summary = output.lines().find_map(|line| line.trim().strip_prefix("Tests:"));
        for part in summary.unwrap_or_default().split(',') {
            let mut words = part.split_whitespace();
            let (Some(Ok(number)), Some(what)) = (words.next().map(str::parse::<u64>), words.next()) else {
                continue;
            };
            match what {
                "passed" => self.passed += number,
                "failed" | "errored" => self.failed += number,
                "skipped" => self.skipped += number,
                _ => (),
            }
        }
        self.passed - before
    }

    pub(crate) fn add(&mut self, more: &Self) {
        self.passed += more.passed;
        self.failed += more.failed;
        self.skipped += more.skipped;
        self.again += more.again;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)?;
        if self.again > 0 { write!(f, ", {} run again", self.again) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_results_of_all_programs_are_added_up() {
        let mut counts = Counts::default();
        for line in [
            "running 8 tests",
            "test a_test ... ok",
            "test result: ok. 7 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.01s",
            "test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s",
        ] {
            counts.read(line);
        }
        assert_eq!(counts.to_string(), "9 passed, 1 failed, 1 skipped");
    }

    #[test]
    fn the_cases_of_the_chart_are_tests_too() {
        let mut counts = Counts::default();
        let passed = counts.read_suites(
            "### Chart\n\nCharts:      1 passed, 1 total\nTests:       1 failed, 40 passed, 41 total\n",
        );
        assert_eq!((passed, counts), (40, Counts { passed: 40, failed: 1, ..Counts::default() }));
    }

    #[test]
    fn a_result_behind_what_a_test_printed_counts_too() {
        let mut counts = Counts::default();
        counts.read(
            "no newline heretest result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out",
        );
        assert_eq!(counts, Counts { passed: 1, ..Counts::default() });
    }
}
