use std::{
    collections::HashSet,
    fs::{File, OpenOptions},
    io::Write as _,
    sync::{LazyLock, Mutex, PoisonError},
};

use rustix::process::{Signal, getpid, kill_process};

static FAULTS: LazyLock<Mutex<Faults>> = LazyLock::new(|| {
    let variable = |name| std::env::var(name).unwrap_or_default();
    Mutex::new(Faults::new(&variable("BOOKSTORE_FAULT"), &variable("BOOKSTORE_FAULT_LOG")))
});

/// Where this process is to die, and where it has been.
struct Faults {
    armed: Vec<Fault>,
    seen: HashSet<String>,
    log: Option<File>,
}

struct Fault {
    point: String,
    passes_left: u32,
}

impl Faults {
    fn new(armed: &str, log: &str) -> Self {
        let armed = armed.split(',').filter(|fault| !fault.is_empty()).map(Fault::parse).collect();
        // Who names a file that can't be written misses what it would tell.
        let log = (!log.is_empty()).then(|| OpenOptions::new().create(true).append(true).open(log).ok());
        Self { armed, seen: HashSet::new(), log: log.flatten() }
    }

    /// Whether this pass is the last.
    fn pass(&mut self, point: &str) -> bool {
        if self.log.is_some() && !self.seen.contains(point) {
            self.seen.insert(point.to_owned());
            self.tell("passed", point);
        }
        let fault = self.armed.iter_mut().find(|fault| fault.point == point);
        fault.is_some_and(Fault::is_last_pass)
    }

    fn tell(&mut self, what: &str, point: &str) {
        if let Some(log) = &mut self.log {
            // In one write: several processes may share the file.
            let _ = log.write_all(format!("{what} {point}\n").as_bytes());
        }
    }
}

impl Fault {
    /// `point` or `point:pass`, passes counted from 1.
    fn parse(text: &str) -> Self {
        let (point, pass) = match text.rsplit_once(':') {
            Some((point, pass)) => (point, pass.parse().unwrap_or(1)),
            None => (text, 1),
        };
        Self { point: point.to_owned(), passes_left: pass }
    }

    fn is_last_pass(&mut self) -> bool {
        self.passes_left = self.passes_left.wrapping_sub(1);
        self.passes_left == 0
    }
}

pub(crate) fn is_armed(point: &str) -> bool {
    let faults = FAULTS.lock().unwrap_or_else(PoisonError::into_inner);
    faults.armed.iter().any(|fault| fault.point == point)
}

pub(crate) fn pass(point: &str) {
    let mut faults = FAULTS.lock().unwrap_or_else(PoisonError::into_inner);
    if !faults.pass(point) {
        return;
    }
    faults.tell("died", point);
    // Others come to no further point meanwhile: the lock is held to the end.
    loop {
        let _ = kill_process(getpid(), Signal::KILL);
        std::thread::yield_now();
    }
}

#[cfg(test)]
mod tests {
    use super::Faults;

    fn deaths(armed: &str, passes: &[&str]) -> Vec<bool> {
        let mut faults = Faults::new(armed, "");
        passes.iter().map(|point| faults.pass(point)).collect()
    }

    #[test]
    fn a_fault_without_a_pass_strikes_at_the_first() {
        assert_eq!(deaths("relay.note.after", &["relay.note.before", "relay.note.after"]), [false, true]);
    }

    #[test]
    fn a_fault_with_a_pass_strikes_at_that_one_only() {
        assert_eq!(deaths("a:2", &["a", "a", "a"]), [false, true, false]);
    }

    #[test]
    fn of_several_faults_the_first_met_strikes() {
        assert_eq!(deaths("a:2,b", &["a", "b"]), [false, true]);
    }

    #[test]
    fn without_a_fault_nothing_strikes() {
        assert_eq!(deaths("", &["", "a"]), [false, false]);
    }
}
