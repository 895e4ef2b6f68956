//! Events that come again, late or in another order, and a broker that forgets.

mod contested;
pub(crate) mod digest;
mod history;
mod lost;
mod quiet;
mod replayed;
mod shuffled;

use std::env;

use anyhow::{Context, Result};

/// A number that somebody wants otherwise than usual.
fn variable(name: &str) -> Result<Option<u64>> {
    match env::var(name) {
        Ok(value) => Ok(Some(value.parse().with_context(|| format!("{name} is {value:?}"))?)),
        Err(_) => Ok(None),
    }
}
