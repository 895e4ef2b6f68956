//! Processes: ours, that must end when asked to, and those we start.

use std::{
    fmt, fs,
    io::{Read as _, Seek as _},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

const POLL: Duration = Duration::from_millis(50);

/// The exit code of what Ctrl-C ended, by the shell's custom: 128 and the signal's number.
pub(crate) const INTERRUPTED: u8 = 130;

/// Whether somebody asked us to end: Ctrl-C, a closed terminal, `cargo xtask down`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

/// We ended because somebody asked for it: no error to print.
#[derive(Debug)]
pub(crate) struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

impl Interrupt {
    /// Takes note of the signals, so that what runs can be ended in order.
    pub(crate) fn on_signals() -> Result<Self> {
        let interrupt = Self::default();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&interrupt.0))?;
        }
        Ok(interrupt)
    }

    pub(crate) fn requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Fails with [`Interrupted`] if somebody asked us to end.
    pub(crate) fn check(&self) -> Result<()> {
        if self.requested() { Err(Interrupted.into()) } else { Ok(()) }
    }

    /// Waits until `poll` answers, or somebody asks us to end.
    pub(crate) fn wait_for<T>(&self, mut poll: impl FnMut() -> Result<Option<T>>) -> Result<T> {
        loop {
            self.check()?;
            if let Some(found) = poll()? {
                return Ok(found);
            }
            thread::sleep(POLL);
        }
    }
}

/// Whether we may do what only root may.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Waits for a child; ends it when somebody asks us to end.
pub(crate) fn wait(child: &mut Child, interrupt: &Interrupt) -> Result<ExitStatus> {
    let outcome = interrupt.wait_for(|| Ok(child.try_wait()?));
    if outcome.is_err() {
        end(child, Duration::from_secs(5))?;
    }
    outcome
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command, interrupt: &Interrupt) -> Result<ExitStatus> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command.stdin(Stdio::null()).spawn().with_context(|| format!("cannot run {name}"))?;
    wait(&mut child, interrupt)
}

/// What a command said, on both of its outputs, and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: ExitStatus,
    pub(crate) output: String,
    pub(crate) errors: String,
}

impl Said {
    /// Both outputs, for people.
    pub(crate) fn everything(&self) -> String {
        [self.output.trim_end(), self.errors.trim_end()].join("\n").trim().to_owned()
    }
}

/// Runs a command to its end without showing what it says.
pub(crate) fn listen(command: &mut Command, interrupt: &Interrupt) -> Result<Said> {
    // Files, not pipes: nobody has to read while it runs.
    let (mut output, mut errors) = (tempfile::tempfile()?, tempfile::tempfile()?);
    let status = run(command.stdout(output.try_clone()?).stderr(errors.try_clone()?), interrupt)?;
    let read = |file: &mut fs::File| -> Result<String> {
        let mut bytes = Vec::new();
        file.rewind()?;
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    Ok(Said { status, output: read(&mut output)?, errors: read(&mut errors)? })
}

/// Asks a child to end (SIGTERM), and makes it end when it has not within `patience`.
pub(crate) fn end(child: &mut Child, patience: Duration) -> Result<ExitStatus> {
    if let Some(status) = child.try_wait()? {
        return Ok(status);
    }
    terminate(child.id())?;
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        thread::sleep(POLL);
    }
    child.kill()?;
    Ok(child.wait()?)
}

/// Sends SIGTERM; to a process that is gone already it does nothing.
pub(crate) fn terminate(process: u32) -> Result<()> {
    let pid = Pid::from_raw(process.try_into()?).context("no process has the id 0")?;
    match kill_process(pid, Signal::TERM) {
        Err(error) if error != rustix::io::Errno::SRCH => {
            Err(error).with_context(|| format!("cannot stop process {process}"))
        }
        _ => Ok(()),
    }
}

/// Whether a child that somebody else watches over still runs. Where there is no `/proc` we take its word.
pub(crate) fn is_running(process: u32) -> bool {
    if !Path::new("/proc/self/stat").exists() {
        return true;
    }
    // `pid (name) state …`; the name may hold anything but the last parenthesis.
    fs::read_to_string(format!("/proc/{process}/stat"))
        .is_ok_and(|stat| stat.rsplit(')').next().is_some_and(|rest| !rest.trim_start().starts_with('Z')))
}

/// A command whose process ends when ours does, however ours ends, where `setpriv` can arrange that.
pub(crate) fn ending_with_us(program: &Path) -> Command {
    static SETPRIV: OnceLock<bool> = OnceLock::new();
    let works = SETPRIV.get_or_init(|| {
        Command::new("setpriv")
            .args(["--pdeathsig", "TERM", "--", "true"])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    });
    if *works {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper() -> Child {
        Command::new("sleep").arg("600").spawn().unwrap()
    }

    #[test]
    fn a_child_that_is_asked_to_end_ends() {
        let mut child = sleeper();
        assert!(is_running(child.id()));
        assert!(!end(&mut child, Duration::from_secs(10)).unwrap().success());
    }

    #[test]
    fn waiting_ends_with_the_child_when_we_are_interrupted() {
        let interrupt = Interrupt::default();
        interrupt.0.store(true, Ordering::Relaxed);
        let mut child = sleeper();
        assert!(wait(&mut child, &interrupt).unwrap_err().is::<Interrupted>());
        assert!(child.try_wait().unwrap().is_some());
    }

    #[test]
    fn a_dead_child_that_nobody_has_waited_for_does_not_run() {
        let mut child = sleeper();
        child.kill().unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while is_running(child.id()) {
            assert!(Instant::now() < deadline, "still counted as running");
            thread::yield_now();
        }
        child.wait().unwrap();
    }
}
