//! Named points at which a debug build can be told to die, as a machine does: at once, with nothing flushed.
//!
//! What leaves a trace outside the process (a commit, a call, a publish, an acknowledgement) stands [`around`] a name and
//! has a point before it and one after: `order.place.commit.before`. `BOOKSTORE_FAULT=order.place.commit.after` ends the
//! process with SIGKILL at the first pass of that point, `order.place.commit.after:3` at the third; of several, separated
//! by commas, the first that is met strikes. `BOOKSTORE_FAULT_LOG` names a file that is told of each point when it is
//! passed for the first time, and of the one that struck. In a release build neither the points nor the variables exist;
//! the build is checked for that.

#[cfg(debug_assertions)]
mod armed;
mod name;

use std::future::Future;
#[cfg(debug_assertions)]
use std::time::Duration;

pub use name::Name;

mod guards;

pub use guards::{Guard, is_off};

/// Dies here when `BOOKSTORE_FAULT` names this point.
#[cfg(debug_assertions)]
pub fn point(name: impl Name) {
    armed::pass(&name.name());
}

/// Nothing: faults are for debug builds.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn point(_name: impl Name) {}

/// Does what has an effect outside this process, with a point before it and one after it.
#[cfg(debug_assertions)]
pub async fn around<F: Future>(act: impl Name, effect: F) -> F::Output {
    let act = act.name();
    armed::pass(&format!("{act}.before"));
    let outcome = effect.await;
    armed::pass(&format!("{act}.after"));
    outcome
}

/// Does what has an effect outside this process.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn around<F: Future>(_act: impl Name, effect: F) -> F {
    effect
}

/// Whether the process is to die at a point that it hasn't met yet.
#[cfg(debug_assertions)]
pub fn is_armed(point: impl Name) -> bool {
    armed::is_armed(&point.name())
}

/// Never: faults are for debug builds.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn is_armed(_point: impl Name) -> bool {
    false
}

/// After how long the broker is to deliver again what a dead consumer held, by `BOOKSTORE_FAULT_ACK_WAIT` in seconds:
/// tests that kill hundreds of them don't wait as long as a shop does each time.
#[cfg(debug_assertions)]
#[must_use]
pub fn ack_wait(usual: Duration) -> Duration {
    let seconds = std::env::var("BOOKSTORE_FAULT_ACK_WAIT").ok().and_then(|text| text.parse().ok());
    seconds.map_or(usual, Duration::from_secs)
}

/// As usual: faults are for debug builds.
#[cfg(not(debug_assertions))]
#[inline(always)]
#[must_use]
pub const fn ack_wait(usual: std::time::Duration) -> std::time::Duration {
    usual
}
