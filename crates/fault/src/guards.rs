//! What keeps the shop's promises, and how a debug build is told to go without.
//!
//! `BOOKSTORE_FAULT_GUARDS_OFF=events.inbox,inventory.stock` leaves both out for as long as the process lives. With it
//! tests show that a missing guard would be noticed, or that there is a second one. In a release build every guard
//! stands, whatever the environment says.

macro_rules! guards {
    ($($(#[doc = $says:literal])+ $guard:ident = $name:literal,)+) => {
        /// Something that would be missed.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Guard {
            $($(#[doc = $says])+ $guard,)+
        }

        impl Guard {
            /// Every guard that can be left out.
            pub const ALL: &'static [Self] = &[$(Self::$guard),+];

            /// As the variable names it: the crate or service that has it, and what it is.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$guard => $name,)+
                }
            }
        }
    };
}

guards! {
    /// A token whose session has ended, or whose user's access has changed, is no good any more.
    Revocations = "auth.revocations",
    /// A consumer handles an event once.
    Inbox = "events.inbox",
    /// Events are written in the transaction that they tell of.
    Outbox = "events.outbox",
    /// The relay says which sequence it expects, and is refused where the stream stands elsewhere.
    ExpectedSequence = "events.expected_sequence",
    /// The relay compares the stream with the outbox, and publishes again what is missing.
    Comparison = "events.comparison",
    /// A consumer that stands ahead of its stream begins with the first message again.
    Position = "events.position",
    /// Who calls a method must be one whom its policy names.
    Policy = "server.policy",
    /// No more is reserved than is free.
    Stock = "inventory.stock",
    /// Others' orders are not found.
    Ownership = "order.ownership",
    /// A request that has made an order is answered with that order.
    Repeats = "order.repeats",
    /// A wallet pays no more than it holds.
    Funds = "payment.funds",
    /// No more is given back than was taken.
    RefundBound = "payment.refund_bound",
    /// An order that has a payment is not charged again.
    Settled = "payment.settled",
    /// A cancellation is remembered for the charge that comes after it.
    Tombstone = "payment.tombstone",
}

/// Whether `BOOKSTORE_FAULT_GUARDS_OFF` leaves this guard out.
#[cfg(debug_assertions)]
#[must_use]
pub fn is_off(guard: Guard) -> bool {
    use std::sync::OnceLock;

    static OFF: OnceLock<Vec<Guard>> = OnceLock::new();
    OFF.get_or_init(|| parse(&std::env::var("BOOKSTORE_FAULT_GUARDS_OFF").unwrap_or_default()))
        .contains(&guard)
}

/// Never: guards are left out in debug builds only.
#[cfg(not(debug_assertions))]
#[inline(always)]
#[must_use]
pub const fn is_off(_guard: Guard) -> bool {
    false
}

#[cfg(debug_assertions)]
fn parse(names: &str) -> Vec<Guard> {
    let names: Vec<&str> = names.split(',').map(str::trim).collect();
    Guard::ALL.iter().copied().filter(|guard| names.contains(&guard.name())).collect()
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn guards_are_found_by_their_names_and_nothing_else_is() {
        assert_eq!(parse(""), []);
        assert_eq!(parse("inbox,events"), []);
        assert_eq!(parse("events.outbox, events.inbox"), [Guard::Inbox, Guard::Outbox]);
    }

    #[test]
    fn every_guard_has_a_name_of_its_own() {
        let names: BTreeSet<&str> = Guard::ALL.iter().map(|guard| guard.name()).collect();
        assert_eq!(names.len(), Guard::ALL.len());
    }

    #[test]
    fn all_guards_stand_where_nobody_says_otherwise() {
        assert!(!Guard::ALL.iter().any(|guard| is_off(*guard)));
    }
}
