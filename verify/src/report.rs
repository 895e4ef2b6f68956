use std::{collections::BTreeMap, fmt};

use serde_json::{Value, json};

use crate::Check;

/// Of each check so many violations are kept; the rest is counted.
const KEPT: u64 = 1_000;

/// Something that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// What found it.
    pub check: Check,
    /// The id of what it is about.
    pub about: String,
    /// What is wrong.
    pub wrong: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}: {}", self.check, self.about, self.wrong)
    }
}

/// What was looked at, and what was found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub(crate) looked_at: BTreeMap<Check, u64>,
    pub(crate) found: BTreeMap<Check, u64>,
    pub(crate) violations: Vec<Violation>,
    pub(crate) remarks: Vec<String>,
}

impl Report {
    /// What is not as it must be: of each check the first thousand.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// How many violations there are, those that are not kept too.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.found.values().sum()
    }

    /// How many things each check has looked at.
    #[must_use]
    pub const fn looked_at(&self) -> &BTreeMap<Check, u64> {
        &self.looked_at
    }

    /// What is worth knowing and no violation.
    #[must_use]
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    pub(crate) fn looked(&mut self, check: Check, count: impl TryInto<u64>) {
        *self.looked_at.entry(check).or_default() += count.try_into().unwrap_or_default();
    }

    pub(crate) fn violation(&mut self, check: Check, about: impl fmt::Display, wrong: impl Into<String>) {
        self.add(Violation { check, about: about.to_string(), wrong: wrong.into() });
    }

    pub(crate) fn add(&mut self, violation: Violation) {
        let found = self.found.entry(violation.check).or_default();
        *found += 1;
        if *found <= KEPT {
            self.violations.push(violation);
        }
    }

    pub(crate) fn remark(&mut self, remark: String) {
        self.remarks.push(remark);
    }

    /// For programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let checks: Vec<Value> = self
            .looked_at
            .iter()
            .map(|(check, count)| {
                let found = self.found.get(check).copied().unwrap_or_default();
                json!({ "check": check.name(), "looked_at": count, "violations": found })
            })
            .collect();
        let violations: Vec<Value> = self
            .violations
            .iter()
            .map(|violation| {
                json!({ "check": violation.check.name(), "about": violation.about, "wrong": violation.wrong })
            })
            .collect();
        json!({ "count": self.count(), "checks": checks, "violations": violations, "remarks": self.remarks })
    }
}

/// The summary; the violations stand elsewhere.
impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (check, count) in &self.looked_at {
            let found = self.found.get(check).copied().unwrap_or_default();
            let found = if found == 0 { String::new() } else { format!("  {found} violations") };
            writeln!(formatter, "{check:<16}{count:>10}{found}")?;
        }
        for remark in &self.remarks {
            writeln!(formatter, "{remark}")?;
        }
        match self.count() {
            0 => write!(formatter, "all as it must be"),
            1 => write!(formatter, "1 violation"),
            count => write!(formatter, "{count} violations"),
        }
    }
}
