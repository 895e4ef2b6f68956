//! How long a test waits: a virtual machine is at times kept from its processors by others on the same host, for a minute
//! and more, and time in which nobody could do anything is not waited for.

use std::time::{Duration, Instant};

use steal::Processors;
use tokio::time::sleep;

/// How often it is looked whether stretched patience is over.
const LOOK: Duration = Duration::from_millis(100);
/// Patience is stretched so often at most.
const STRETCHED: u32 = 5;

/// So much of the time that the machine is given.
pub(crate) struct Patience {
    of: Duration,
    began: Instant,
    before: Processors,
}

impl Patience {
    pub(crate) fn of(given: Duration) -> Self {
        Self { of: given, began: Instant::now(), before: Processors::read() }
    }

    /// Until it is over.
    pub(crate) async fn end(&self) {
        sleep(self.of.saturating_sub(self.began.elapsed())).await;
        while !self.is_over() {
            sleep(LOOK).await;
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        let passed = self.began.elapsed();
        if passed < self.of {
            return false;
        }
        let given = passed.mul_f64(1.0 - Processors::read().stolen_since(self.before));
        given >= self.of || passed >= STRETCHED * self.of
    }
}
