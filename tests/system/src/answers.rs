use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tonic::{Response, Status};

use crate::customer::is_passing;

/// What a shop's customers were told, counted.
#[derive(Clone, Debug, Default)]
pub struct Answers(Arc<Mutex<Counts>>);

#[derive(Clone, Debug, Default)]
struct Counts {
    ok: u64,
    /// Calls that were made again.
    passing: BTreeMap<String, u64>,
    refused: BTreeMap<String, u64>,
}

impl Answers {
    pub(crate) fn note<A>(&self, answer: &Result<Response<A>, Status>) {
        let mut counts = self.counts();
        match answer {
            Ok(_) => counts.ok += 1,
            Err(status) => {
                let of_its_kind = if is_passing(status) { &mut counts.passing } else { &mut counts.refused };
                *of_its_kind.entry(format!("{:?}", status.code())).or_default() += 1;
            }
        }
    }

    /// How many calls there were.
    #[must_use]
    pub fn calls(&self) -> u64 {
        let counts = self.counts();
        counts.ok + counts.passing.values().chain(counts.refused.values()).sum::<u64>()
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Answers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.counts().clone();
        write!(formatter, "{} OK", counts.ok)?;
        for (what, of_its_kind) in [("refused", counts.refused), ("made again", counts.passing)] {
            for (code, count) in of_its_kind {
                write!(formatter, ", {count} {code} ({what})")?;
            }
        }
        Ok(())
    }
}
