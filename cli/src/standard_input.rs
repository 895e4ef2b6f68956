//! What is piped in, for what the command line must not show.

use std::io;

use crate::failure::Failure;

/// The next line, which says `what`.
pub(crate) fn line(what: &str) -> Result<String, Failure> {
    let mut line = String::new();
    io::stdin()
        .read_line(&mut line)
        .map_err(|error| Failure::not_possible(format!("no {what} on standard input: {error}")))?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
