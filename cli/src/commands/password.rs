//! Where passwords come from: never from the command line, which others can read.

use std::env;

use clap::Args;

use crate::{failure::Failure, standard_input};

/// The password that is in force.
#[derive(Args)]
pub(crate) struct Password {
    /// Read the password from standard input; without this it is asked for, or taken from `BOOKSTORE_PASSWORD`
    #[arg(long)]
    password_stdin: bool,
}

impl Password {
    pub(crate) fn read(&self) -> Result<String, Failure> {
        read(self.password_stdin, "BOOKSTORE_PASSWORD", "Password: ")
    }

    /// The one that takes its place: the next line, or `BOOKSTORE_NEW_PASSWORD`, or asked for twice.
    pub(crate) fn read_new(&self) -> Result<String, Failure> {
        let is_asked_for = !self.password_stdin && env::var_os("BOOKSTORE_NEW_PASSWORD").is_none();
        let new = read(self.password_stdin, "BOOKSTORE_NEW_PASSWORD", "New password: ")?;
        if is_asked_for && new != read(false, "BOOKSTORE_NEW_PASSWORD", "New password again: ")? {
            return Err(Failure::usage("the new password was not typed the same twice"));
        }
        Ok(new)
    }
}

fn read(from_stdin: bool, variable: &str, prompt: &str) -> Result<String, Failure> {
    if from_stdin {
        return standard_input::line("password");
    }
    if let Ok(password) = env::var(variable) {
        return Ok(password);
    }
    rpassword::prompt_password(prompt).map_err(|_| {
        Failure::usage(format!("no terminal to ask for the password: use --password-stdin or {variable}"))
    })
}
