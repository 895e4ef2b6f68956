//! `cargo xtask down`: stops a shop that runs in another terminal.

use std::{
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use crate::{
    local::{Local, Taken},
    process, say,
};

/// As long as everything together may take to stop.
const PATIENCE: Duration = Duration::from_secs(90);

pub(crate) fn run() -> Result<ExitCode> {
    let local = Local::open()?;
    let Err(Taken { by }) = local.lock()? else {
        println!("The shop isn't running.");
        return Ok(ExitCode::SUCCESS);
    };
    let Some(owner) = by else { bail!("the shop is just being started or wiped: try again") };
    say::doing("Stopping", format_args!("the shop (process {owner})"));
    process::terminate(owner)?;
    let deadline = Instant::now() + PATIENCE;
    while local.lock()?.is_err() {
        if Instant::now() > deadline {
            bail!("process {owner} still runs after {} s", PATIENCE.as_secs());
        }
        thread::sleep(Duration::from_millis(50));
    }
    println!("Stopped. The data stays; `cargo xtask up` opens the shop again.");
    Ok(ExitCode::SUCCESS)
}
