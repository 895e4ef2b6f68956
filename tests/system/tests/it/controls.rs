//! Whether a guard that was missing would be noticed. Services go without one, and what it protects from is done: either
//! the checks that all tests end with find what came of it, or a second guard holds, and then both are left out. With
//! all guards in place the same does no harm.

mod access;
mod books;
mod broker;
mod ground;
mod money;

use std::collections::BTreeSet;

use fault::Guard;

#[test]
fn every_guard_that_can_be_left_out_is_missed_by_somebody() {
    let missed = [access::GUARDS, books::GUARDS, broker::GUARDS, money::GUARDS].concat();
    let all: BTreeSet<Guard> = Guard::ALL.iter().copied().collect();
    assert_eq!(missed.into_iter().collect::<BTreeSet<_>>(), all);
}
