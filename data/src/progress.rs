//! How far loading is: a bar for people, lines for logs.

use std::{
    io::{self, IsTerminal as _, Write as _},
    sync::atomic::{AtomicUsize, Ordering},
};

use indicatif::{ProgressBar, ProgressStyle};

/// After how many steps a log gets another line.
const LINE_EVERY: usize = 50;

pub(crate) struct Progress {
    shown: Shown,
    length: usize,
    done: AtomicUsize,
}

enum Shown {
    Bar(ProgressBar),
    Lines,
}

impl Progress {
    /// On standard error, as fits what that is.
    pub(crate) fn of(length: usize) -> Self {
        let shown = if io::stderr().is_terminal() {
            let bar = ProgressBar::new(u64::try_from(length).unwrap_or(u64::MAX));
            if let Ok(style) = ProgressStyle::with_template("     Loading [{bar:30}] {pos}/{len} {msg}") {
                bar.set_style(style.progress_chars("=> "));
            }
            Shown::Bar(bar)
        } else {
            Shown::Lines
        };
        Self { shown, length, done: AtomicUsize::new(0) }
    }

    /// What is loaded from now on.
    pub(crate) fn on(&self, what: &str) {
        match &self.shown {
            Shown::Bar(bar) => bar.set_message(what.to_owned()),
            Shown::Lines => say(format_args!("loading {what}")),
        }
    }

    /// One more is loaded.
    pub(crate) fn step(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        match &self.shown {
            Shown::Bar(bar) => bar.inc(1),
            Shown::Lines if done.is_multiple_of(LINE_EVERY) || done == self.length => {
                say(format_args!("{done} of {} loaded", self.length));
            }
            Shown::Lines => {}
        }
    }

    pub(crate) fn end(&self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }
}

/// A log that nobody reads is no reason to stop.
fn say(line: std::fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{line}");
}
