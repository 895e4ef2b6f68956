use std::{
    io::{IsTerminal as _, stderr},
    sync::Mutex,
    time::{Duration, Instant},
};

/// Not so often that the terminal costs more than the looking.
const PAUSE: Duration = Duration::from_millis(100);

/// The line of the terminal that says what is being looked at, where there is a terminal.
#[derive(Debug)]
pub(crate) struct Terminal {
    shown: Option<Mutex<Option<Instant>>>,
}

impl Terminal {
    pub(crate) fn open() -> Self {
        Self { shown: stderr().is_terminal().then(|| Mutex::new(None)) }
    }

    pub(crate) fn show(&self, what: &str) {
        let Some(mut last) = self.shown.as_ref().and_then(|shown| shown.lock().ok()) else { return };
        if last.is_none_or(|last| last.elapsed() >= PAUSE) {
            eprint!("\r\x1b[K{what}");
            *last = Some(Instant::now());
        }
    }

    pub(crate) fn clear(&self) {
        if self.shown.is_some() {
            eprint!("\r\x1b[K");
        }
    }
}
