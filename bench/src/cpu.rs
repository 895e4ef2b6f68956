use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// What this process has had of the processors, kernel's work for it included.
pub(crate) fn used() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}
