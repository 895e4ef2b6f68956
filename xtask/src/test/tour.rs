//! The README's tour, taken as written: each command, and what it printed held against what the README says.

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, TryRecvError},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};

use super::steps::{self, Outcome};
use crate::{
    build,
    local::{self, Local},
    process::{self, Interrupt},
};

/// What `up` says last when the shop is open.
const OPEN: &str = "Ctrl-C";
const STOP: Duration = Duration::from_mins(1);

/// Opens a shop of its own, takes the tour in it, and wipes it.
pub(super) fn run(interrupt: &Interrupt) -> Result<Outcome> {
    if Local::open()?.lock()?.is_err() {
        return Ok(Outcome::Skipped("the shop is running, and there is one set of ports".to_owned()));
    }
    // For root, Postgres runs under another account, which must get in.
    let data = tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o755)).tempdir()?;
    // Those of the tests: built for the tour alone, they would share fewer crates with what else is built.
    if let failed @ Outcome::Failed(_) = steps::build_tested(interrupt)? {
        return Ok(failed);
    }
    // Not the running program: the tests' build may have put another file in its place.
    let programs = build::programs(&["xtask"], interrupt)?;
    let program = programs.get("xtask").context("cargo built no program `xtask`")?;
    let folder = program.parent().context("a program lies in a folder")?;
    let xtask = |command: &str| {
        let mut xtask = Command::new(program);
        xtask.arg(command).env(local::FOLDER, data.path()).stdin(Stdio::null());
        xtask
    };
    let mut up = xtask("up")
        .arg("--programs")
        .arg(folder)
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run `xtask up`")?;
    let taken = wait_until_open(&mut up, interrupt).and_then(|()| {
        let readme = fs::read_to_string(local::checkout().join("README.md"))?;
        take(&readme, local::checkout(), &data.path().join("bin"), &data.path().join("account"))
    });
    let ended = process::end(&mut up, STOP)?;
    let wiped = process::run(&mut xtask("reset"), interrupt)?;
    Ok(match taken {
        Err(error) => Outcome::Failed(format!("{error:#}")),
        Ok(_) if !ended.success() || !wiped.success() => {
            Outcome::Failed(format!("`up` ended with {ended}, `reset` with {wiped}"))
        }
        Ok(_) => Outcome::Passed,
    })
}

fn wait_until_open(up: &mut Child, interrupt: &Interrupt) -> Result<()> {
    let output = BufReader::new(up.stdout.take().context("`up` has no output")?);
    let (lines, said) = mpsc::channel();
    thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            println!("{line}");
            // Nobody listens any more once the shop is open.
            let _ = lines.send(line);
        }
    });
    interrupt.wait_for(|| match said.try_recv() {
        Ok(line) if line.starts_with(OPEN) => Ok(Some(())),
        Ok(_) | Err(TryRecvError::Empty) => Ok(None),
        Err(TryRecvError::Disconnected) => bail!("the shop did not open"),
    })
}

/// A command of the tour and what the README says it prints.
#[derive(Debug, PartialEq, Eq)]
struct Stop {
    command: String,
    printed: Vec<String>,
}

/// A line of its own in the README that stands for any number of lines.
const ANYTHING: &str = "…";

/// Takes the tour of `readme` in `folder`, with the programs of `programs` and an account folder of its own. How many
/// commands it was.
///
/// Ids and times differ from run to run and are compared by their form only.
fn take(readme: &str, folder: &Path, programs: &Path, account: &Path) -> Result<usize> {
    let stops = stops(readme);
    ensure!(!stops.is_empty(), "the README has no ```console block");
    let path = env::var("PATH").unwrap_or_default();
    for stop in &stops {
        println!("$ {}", stop.command);
        let output = Command::new("bash")
            .args(["-c", &format!("{{ {}\n}} 2>&1", stop.command)])
            .current_dir(folder)
            .env("PATH", format!("{}:{path}", programs.display()))
            .env("BOOKSTORE_CONFIG_DIR", account)
            .stdin(Stdio::null())
            .output()
            .context("cannot run bash")?;
        let printed = String::from_utf8_lossy(&output.stdout);
        print!("{printed}");
        let printed: Vec<_> = printed.lines().map(form).collect();
        let expected: Vec<_> = stop.printed.iter().map(|line| form(line)).collect();
        if !matches(&expected, &printed) {
            bail!("after `{}` the README says:\n{}", stop.command, stop.printed.join("\n"));
        }
    }
    Ok(stops.len())
}

/// The commands of every `console` block; a command goes on in the next line after a backslash.
fn stops(readme: &str) -> Vec<Stop> {
    let mut stops: Vec<Stop> = Vec::new();
    let mut in_console = false;
    let mut continued = false;
    for line in readme.lines().map(str::trim_end) {
        match line {
            "```console" => in_console = true,
            "```" => in_console = false,
            _ if !in_console => {}
            _ => match (stops.last_mut(), line.strip_prefix("$ ")) {
                (Some(stop), _) if continued => {
                    stop.command.push('\n');
                    stop.command.push_str(line);
                    continued = line.ends_with('\\');
                }
                (_, Some(command)) => {
                    stops.push(Stop { command: command.to_owned(), printed: Vec::new() });
                    continued = command.ends_with('\\');
                }
                (Some(stop), None) => stop.printed.push(line.to_owned()),
                (None, None) => {}
            },
        }
    }
    for stop in &mut stops {
        while stop.printed.last().is_some_and(String::is_empty) {
            stop.printed.pop();
        }
    }
    stops
}

/// A line with what differs from run to run replaced by its form: ids and times.
fn form(line: &str) -> String {
    let line = replace(line.trim_end(), "aaa_**************************", "<id>");
    replace(&line, "0000-00-00 00:00:00 UTC", "<time>")
}

/// Replaces whatever looks like `pattern`, in which `0` is a digit, `a` a lower-case letter, and `*` either.
fn replace(line: &str, pattern: &str, by: &str) -> String {
    let looks_like = |text: &[char]| {
        text.len() >= pattern.len()
            && pattern.chars().zip(text).all(|(pattern, letter)| match pattern {
                '0' => letter.is_ascii_digit(),
                'a' => letter.is_ascii_lowercase(),
                '*' => letter.is_ascii_lowercase() || letter.is_ascii_digit(),
                exactly => exactly == *letter,
            })
    };
    let letters: Vec<char> = line.chars().collect();
    let mut replaced = String::with_capacity(line.len());
    let mut at = 0;
    while at < letters.len() {
        if looks_like(&letters[at..]) {
            replaced.push_str(by);
            at += pattern.len();
        } else {
            replaced.push(letters[at]);
            at += 1;
        }
    }
    replaced
}

/// Whether `printed` is what was `expected`, where [`ANYTHING`] stands for any lines.
fn matches(expected: &[String], printed: &[String]) -> bool {
    match (expected.split_first(), printed.split_first()) {
        (None, None) => true,
        (Some((first, rest)), _) if first.trim() == ANYTHING => {
            (0..=printed.len()).any(|skipped| matches(rest, &printed[skipped..]))
        }
        (Some((first, expected)), Some((line, printed))) => first == line && matches(expected, printed),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_what_they_print_are_found() {
        let readme = "text\n```console\n$ one \\\n  --more\nprinted\n\n$ two\n```\n```sh\n$ not this\n```\n";

        assert_eq!(
            stops(readme),
            [
                Stop { command: "one \\\n  --more".to_owned(), printed: vec!["printed".to_owned()] },
                Stop { command: "two".to_owned(), printed: vec![] },
            ]
        );
    }

    #[test]
    fn ids_and_times_are_compared_by_form() {
        let line = "ord_01ktzc4sh7fkv8a1dsw0ey1k3x  2026-11-21 02:08:54 UTC  PENDING";

        assert_eq!(form(line), "<id>  <time>  PENDING");
        assert_eq!(form("8.50 EUR  "), "8.50 EUR");
    }

    #[test]
    fn an_ellipsis_stands_for_any_lines_and_nothing_else_does() {
        let lines = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();

        assert!(matches(&lines("a … d"), &lines("a b c d")));
        assert!(matches(&lines("a … d"), &lines("a d")));
        assert!(!matches(&lines("a … d"), &lines("a b c")));
        assert!(!matches(&lines("a b"), &lines("a c")));
        assert!(!matches(&lines("a"), &lines("a b")));
    }
}
