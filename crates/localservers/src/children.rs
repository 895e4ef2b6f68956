//! Processes that end with this one.

use std::{
    ffi::OsString,
    fs::File,
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{OnceLock, mpsc},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{account::Account, programs};

/// What to start, and how it goes.
pub(crate) struct Launch<'a> {
    pub(crate) program: &'a Path,
    pub(crate) args: Vec<OsString>,
    /// Both its outputs go here.
    pub(crate) log: &'a Path,
    pub(crate) account: Option<Account>,
    /// What it is sent when this process ends: a name for `kill -s`.
    pub(crate) last_signal: &'static str,
}

/// Starts a process in a group of its own, so that Ctrl-C in a terminal reaches it only through us.
pub(crate) fn start(launch: &Launch<'_>) -> Result<Child> {
    start_with(launch, &[])
}

/// As [`start`], with these variables beside ours.
pub(crate) fn start_with(launch: &Launch<'_>, environment: &[(&str, String)]) -> Result<Child> {
    let mut command = prepared(launch)?;
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    on_lasting_thread(command).with_context(|| format!("cannot start {}", launch.program.display()))
}

fn prepared(launch: &Launch<'_>) -> Result<Command> {
    let log = File::create(launch.log).with_context(|| format!("cannot write {}", launch.log.display()))?;
    let mut command = match setpriv() {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", launch.last_signal, "--"]).arg(launch.program);
            command
        }
        None => Command::new(launch.program),
    };
    command.args(&launch.args).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
    if let Some(account) = launch.account {
        // A folder of ours may be closed to that account.
        command.uid(account.uid).gid(account.gid).current_dir("/");
    }
    Ok(command)
}

/// Starts a program in a group of its own that ends, at once, when this process ends.
///
/// It gets `environment` beside ours, and both its outputs go to the file `log`, which is emptied.
pub fn launch(program: &Path, environment: &[(String, String)], log: &Path) -> Result<Child> {
    let command = prepared(&Launch { program, args: Vec::new(), log, account: None, last_signal: "KILL" });
    let mut command = command?;
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    on_lasting_thread(command).with_context(|| format!("cannot start {}", program.display()))
}

/// Sends a process a signal by its name: `TERM`, `STOP`.
pub fn signal(child: &Child, name: &str) -> Result<()> {
    let status = Command::new("sh")
        .args(["-c", "kill -s \"$0\" \"$1\"", name, &child.id().to_string()])
        .stderr(Stdio::null())
        .status()?;
    if !status.success() {
        bail!("cannot send {name} to process {}", child.id());
    }
    Ok(())
}

/// Asks a process to end, and makes it end when it has not within `patience`.
pub(crate) fn stop(child: &mut Child, name: &str, patience: Duration) -> Result<()> {
    if child.try_wait()?.is_some() {
        return Ok(());
    }
    signal(child, name)?;
    let deadline = Instant::now() + patience;
    while child.try_wait()?.is_none() {
        if Instant::now() > deadline {
            child.kill()?;
            child.wait()?;
            break;
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Waits until `ready` holds; fails with the end of the log when the process ends before, or takes too long.
pub(crate) fn wait_ready(
    child: &mut Child,
    log: &Path,
    patience: Duration,
    ready: impl Fn() -> bool,
) -> Result<()> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(status) = child.try_wait()? {
            bail!("it ended at once ({status}): {}", tail(log));
        }
        if ready() {
            return Ok(());
        }
        if Instant::now() > deadline {
            child.kill()?;
            child.wait()?;
            bail!("it was not ready after {patience:?}: {}", tail(log));
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(5).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("; ")
}

/// util-linux's `setpriv`, where it can arrange for a signal at the parent's death.
fn setpriv() -> Option<&'static PathBuf> {
    static SETPRIV: OnceLock<Option<PathBuf>> = OnceLock::new();
    SETPRIV
        .get_or_init(|| {
            let setpriv = programs::find("setpriv")?;
            programs::run(Command::new(&setpriv).args(["--pdeathsig", "TERM", "--", "true"])).ok()?;
            Some(setpriv)
        })
        .as_ref()
}

/// The kernel counts the death of the *thread* that started a process as its parent's: a test's own thread would take
/// the servers with it that other tests share.
fn on_lasting_thread(command: Command) -> io::Result<Child> {
    type Job = (Command, mpsc::Sender<io::Result<Child>>);
    static STARTER: OnceLock<mpsc::Sender<Job>> = OnceLock::new();
    let starter = STARTER.get_or_init(|| {
        let (jobs, queue) = mpsc::channel::<Job>();
        thread::spawn(move || {
            for (mut command, answer) in queue {
                // Nobody waits for the answer any more only while the whole process ends.
                let _ = answer.send(command.spawn());
            }
        });
        jobs
    });
    let (answer, outcome) = mpsc::channel();
    starter.send((command, answer)).map_err(io::Error::other)?;
    outcome.recv().map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use std::{env, fs};

    use super::*;

    const VICTIM: &str = "LOCALSERVERS_TEST_PARENT";

    fn sleeper(log: &Path) -> Child {
        let (program, args) = (Path::new("/bin/sleep"), vec!["600".into()]);
        start(&Launch { program, args, log, account: None, last_signal: "TERM" }).unwrap()
    }

    /// Run by the test below in a process of its own, which then dies.
    #[test]
    fn a_parent() {
        if let Some(folder) = env::var_os(VICTIM) {
            let folder = PathBuf::from(folder);
            let asker = thread::spawn({
                let log = folder.join("log");
                move || sleeper(&log).id()
            });
            fs::write(folder.join("written"), asker.join().unwrap().to_string()).unwrap();
            fs::rename(folder.join("written"), folder.join("pid")).unwrap();
            thread::sleep(Duration::from_mins(1));
        }
    }

    fn eventually(condition: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !condition() {
            assert!(Instant::now() < deadline, "waited in vain");
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn a_server_outlives_the_thread_that_asked_for_it_but_not_the_process() {
        if setpriv().is_none() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let mut parent = Command::new(env::current_exe().unwrap())
            .args(["--exact", "children::tests::a_parent"])
            .env(VICTIM, folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        eventually(|| folder.path().join("pid").exists());
        let process = Path::new("/proc").join(fs::read_to_string(folder.path().join("pid")).unwrap());
        let command_line = || fs::read(process.join("cmdline")).unwrap_or_default();
        // Before that, it is still `setpriv`, about to arrange for the signal.
        eventually(|| command_line().starts_with(b"/bin/sleep"));
        parent.kill().unwrap();
        parent.wait().unwrap();
        // An orphan whose new parent hasn't looked after it yet has no command line.
        eventually(|| command_line().is_empty());
    }
}
