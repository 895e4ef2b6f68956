//! Parts of the shop go away while customers go on asking: what needs them is refused soon and rightly, all else goes on,
//! and afterwards all is as it was.

mod full_disk;
mod half_open;
mod hanging;
mod late;
mod missing;
mod scene;
mod traffic;

use std::{env, time::Duration};

/// Whether the lengths are those that are promised, rather than those that fit into every run of the tests.
fn is_long() -> bool {
    env::var_os("BOOKSTORE_OUTAGE_LONG").is_some()
}

fn length(short: Duration, long: Duration) -> Duration {
    if is_long() { long } else { short }
}

#[expect(clippy::print_stdout, reason = "what a run has measured is for whoever runs it")]
fn report(line: &str) {
    println!("{line}");
}
