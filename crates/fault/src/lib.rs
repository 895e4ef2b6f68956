//! Named points at which a debug build can be told to die, as a machine does: at once, with nothing flushed.
//!
//! `BOOKSTORE_FAULT=events.published` ends the process at the first pass of that point, `events.published:3` at the
//! third. In a release build neither the points nor the variable exist; the build is checked for that.

/// Dies here when `BOOKSTORE_FAULT` names this point.
#[cfg(debug_assertions)]
pub fn point(name: &'static str) {
    if let Some(armed) = armed::fault()
        && armed.name == name
        && armed.is_last_pass()
    {
        // SIGABRT without unwinding: no destructor runs, as with SIGKILL.
        std::process::abort();
    }
}

/// Nothing: faults are for debug builds.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub const fn point(_name: &'static str) {}

#[cfg(debug_assertions)]
mod armed {
    use std::sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    };

    pub(crate) struct Fault {
        pub(crate) name: String,
        passes_left: AtomicU32,
    }

    impl Fault {
        /// `name` or `name:pass`, passes counted from 1.
        pub(crate) fn parse(text: &str) -> Self {
            let (name, pass) = match text.rsplit_once(':') {
                Some((name, pass)) => (name, pass.parse().unwrap_or(1)),
                None => (text, 1),
            };
            Self { name: name.to_owned(), passes_left: AtomicU32::new(pass) }
        }

        pub(crate) fn is_last_pass(&self) -> bool {
            self.passes_left.fetch_sub(1, Ordering::Relaxed) == 1
        }
    }

    pub(crate) fn fault() -> Option<&'static Fault> {
        static FAULT: OnceLock<Option<Fault>> = OnceLock::new();
        FAULT.get_or_init(|| std::env::var("BOOKSTORE_FAULT").ok().as_deref().map(Fault::parse)).as_ref()
    }

    #[cfg(test)]
    mod tests {
        use super::Fault;

        #[test]
        fn a_fault_without_a_pass_strikes_at_the_first() {
            let fault = Fault::parse("events.published");
            assert_eq!(fault.name, "events.published");
            assert!(fault.is_last_pass());
        }

        #[test]
        fn a_fault_with_a_pass_strikes_at_that_one_only() {
            let fault = Fault::parse("events.published:2");
            assert_eq!(
                [fault.is_last_pass(), fault.is_last_pass(), fault.is_last_pass()],
                [false, true, false]
            );
        }
    }
}
