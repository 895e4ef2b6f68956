//! Printing answers: tables for people, JSON for programs.

use std::{
    env,
    io::{self, IsTerminal as _, Write as _},
    sync::LazyLock,
};

use chrono::{DateTime, Utc};
use comfy_table::{ContentArrangement, LineStyle, Table, TableStyle};
use prost::{Message, Name};
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use prost_types::Timestamp;
use proto::types::v1::Money;
use serde_json::{Value, json};

use crate::{args::Format, failure::Failure};

/// A colour, for what must be seen first.
#[derive(Clone, Copy)]
pub(crate) enum Colour {
    Red = 31,
    Green = 32,
    Yellow = 33,
}

impl Colour {
    /// Colours the text if `stream` is a terminal, and its user hasn't asked for none (<https://no-color.org>).
    pub(crate) fn paint(self, text: &str, stream: &impl io::IsTerminal) -> String {
        let is_wanted = env::var_os("NO_COLOR").is_none_or(|no| no.is_empty()) && stream.is_terminal();
        if is_wanted { format!("\x1b[{}m{text}\x1b[0m", self as u8) } else { text.to_owned() }
    }
}

/// Where answers go.
pub(crate) struct Output {
    format: Format,
}

impl Output {
    pub(crate) const fn new(format: Format) -> Self {
        Self { format }
    }

    /// Prints an answer: as JSON its fields as the contract names them, else what `table` makes of it.
    pub(crate) fn answer<M: Message + Name>(&self, message: &M, table: impl FnOnce(&M) -> String) {
        match self.format {
            Format::Table => print(&table(message)),
            Format::Json => print(&format!("{:#}", to_json(message))),
        }
    }

    /// Prints one of many answers: as JSON on a line of its own.
    pub(crate) fn event<M: Message + Name>(&self, message: &M, line: impl FnOnce(&M) -> String) {
        match self.format {
            Format::Table => print(&line(message)),
            Format::Json => print(&to_json(message).to_string()),
        }
    }

    /// Prints something that is no message of the contract.
    pub(crate) fn value(&self, value: &Value, text: &str) {
        match self.format {
            Format::Table => print(text),
            Format::Json => print(&format!("{value:#}")),
        }
    }

    /// A hint for people, beside the answer.
    pub(crate) fn hint(&self, text: &str) {
        if self.format == Format::Table && io::stderr().is_terminal() {
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// Something that the user should know although the command goes on.
    pub(crate) fn warning(&self, text: &str) {
        let _ = match self.format {
            Format::Table => {
                let warning = Colour::Yellow.paint("warning:", &io::stderr());
                writeln!(io::stderr(), "{warning} {text}")
            }
            Format::Json => writeln!(io::stderr(), "{}", json!({ "warning": text })),
        };
    }

    /// Where the trace of the command can be looked at, on standard error.
    pub(crate) fn trace(&self, url: &str) {
        let _ = match self.format {
            Format::Table => writeln!(io::stderr(), "Trace  {url}"),
            Format::Json => writeln!(io::stderr(), "{}", json!({ "trace": url })),
        };
    }

    /// Prints why a command failed, to standard error.
    pub(crate) fn failure(&self, failure: &Failure) {
        let _ = match self.format {
            Format::Table => {
                let error = Colour::Red.paint("error:", &io::stderr());
                writeln!(io::stderr(), "{error} {failure}")
            }
            Format::Json => writeln!(io::stderr(), "{:#}", failure.to_json()),
        };
    }
}

/// A reader that closes the pipe early, like `head`, is no error.
fn print(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// The answer in protobuf's JSON, but with the contract's field names, 64-bit integers as numbers, and no field left out.
pub(crate) fn to_json<M: Message + Name>(message: &M) -> Value {
    static CONTRACT: LazyLock<Option<DescriptorPool>> =
        LazyLock::new(|| DescriptorPool::decode(proto::FILE_DESCRIPTOR_SET).ok());
    let options = SerializeOptions::new()
        .use_proto_field_name(true)
        .stringify_64_bit_integers(false)
        .skip_default_fields(false);
    CONTRACT
        .as_ref()
        .and_then(|contract| contract.get_message_by_name(&M::full_name()))
        .and_then(|descriptor| DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice()).ok())
        .and_then(|dynamic| dynamic.serialize_with_options(serde_json::value::Serializer, &options).ok())
        .unwrap_or(Value::Null)
}

/// A line under the heading, and nothing else: rows stay together, and are easy to cut apart by programs.
const TABLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// A table with a heading, as wide as the terminal.
pub(crate) fn table(heading: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(TABLE).set_content_arrangement(ContentArrangement::Dynamic).set_header(heading);
    for row in rows {
        table.add_row(row);
    }
    table.trim_fmt()
}

/// Facts of one thing, a line each; empty ones are left out.
pub(crate) fn facts(facts: &[(&str, String)]) -> String {
    let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let lines: Vec<_> = facts
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name:<width$}  {value}"))
        .collect();
    lines.join("\n")
}

/// `12.34 EUR`.
pub(crate) fn money(money: Option<&Money>) -> String {
    let Some(money) = money else { return String::new() };
    match money.currency_code.parse() {
        Ok(currency) => values::Money::new(money.minor_units, currency).to_string(),
        Err(_) => format!("{} {}", money.minor_units, money.currency_code),
    }
}

/// `2026-11-21 01:55:08 UTC`.
pub(crate) fn time(timestamp: Option<&Timestamp>) -> String {
    moment(timestamp).map(|moment| moment.format("%F %T UTC").to_string()).unwrap_or_default()
}

/// The moment that a timestamp of the contract names.
pub(crate) fn moment(timestamp: Option<&Timestamp>) -> Option<DateTime<Utc>> {
    let timestamp = timestamp?;
    DateTime::from_timestamp(timestamp.seconds, u32::try_from(timestamp.nanos).ok()?)
}

/// The last part of an enum's name in the contract: `ORDER_STATE_PENDING` with the prefix `ORDER_STATE_` is `PENDING`.
pub(crate) fn word(name: &str, prefix: &str) -> String {
    let word = name.strip_prefix(prefix).unwrap_or(name);
    if word == "UNSPECIFIED" { String::new() } else { word.to_owned() }
}
