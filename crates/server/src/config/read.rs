//! Command line, environment and files into a configuration, or a line for each variable that is missing or wrong.

use std::{error::Error as _, ffi::OsString, fs, net::Ipv4Addr, path::Path};

use clap::{
    Arg, ArgMatches, Command, Parser,
    builder::Resettable,
    error::{ContextKind, ContextValue, ErrorKind},
    parser::ValueSource,
};

/// Why there is no configuration.
#[derive(Debug)]
pub(crate) enum Refused {
    /// Help or the version was asked for; this is it.
    Asked(clap::Error),
    /// Lines that each name a variable and what is wrong with it.
    Wrong(Vec<String>),
}

/// Reads the configuration of the process `name`, which answers on `ports`, the platform on the second one, unless told
/// otherwise.
///
/// `environment` is asked for variables; where it says nothing about one, the process's own counts.
pub(crate) fn read<C: Parser>(
    name: &'static str,
    ports: [u16; 2],
    arguments: impl IntoIterator<Item = OsString>,
    environment: impl Fn(&str) -> Option<OsString>,
) -> Result<C, Refused> {
    let arguments: Vec<_> = arguments.into_iter().collect();
    let mut known = with_ports(C::command().name(name), ports);
    let mut wrong = Vec::new();
    let command = with_variables(known.clone(), &environment, &mut wrong);
    // Completes the arguments, which can't be shown before.
    known.build();
    if !wrong.is_empty() {
        return Err(refused(name, wrong));
    }
    let matches = match command.try_get_matches_from(arguments.clone()) {
        Ok(matches) => matches,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            // Asked again of the command that names the variables.
            return Err(Refused::Asked(known.try_get_matches_from(arguments).err().unwrap_or(error)));
        }
        Err(error) => return Err(refused(name, explained(&known, &error))),
    };
    let shown = secrets_on_command_line(&known, &matches);
    if !shown.is_empty() {
        return Err(refused(name, shown));
    }
    C::from_arg_matches(&matches).map_err(|error| refused(name, explained(&known, &error)))
}

fn secrets_on_command_line(known: &Command, matches: &ArgMatches) -> Vec<String> {
    known
        .get_arguments()
        .filter(|argument| argument.is_hide_env_values_set())
        .filter(|secret| matches.value_source(secret.get_id().as_str()) == Some(ValueSource::CommandLine))
        .map(|secret| {
            let variable = variable(secret);
            format!(
                "{secret} shows a secret to every process of the machine: set {variable} or {variable}_FILE"
            )
        })
        .collect()
}

fn with_ports(command: Command, [port, admin_port]: [u16; 2]) -> Command {
    let on = |port: u16| format!("{}:{port}", Ipv4Addr::UNSPECIFIED);
    command
        .mut_arg("listen", |listen| listen.default_value(on(port)))
        .mut_arg("admin_listen", |listen| listen.default_value(on(admin_port)))
}

/// Gives each argument the value of its variable, or of the file that the variable with `_FILE` names.
///
/// An empty variable is one that isn't set: manifests set variables to nothing to turn them off.
fn with_variables(
    command: Command,
    environment: &impl Fn(&str) -> Option<OsString>,
    wrong: &mut Vec<String>,
) -> Command {
    command.mut_args(|argument| {
        let variable = variable(&argument);
        if variable.is_empty() {
            return argument;
        }
        let set = |name: &str| environment(name).filter(|value| !value.is_empty());
        let file = format!("{variable}_FILE");
        let value = match (set(&variable), set(&file)) {
            (Some(_), Some(_)) => {
                wrong.push(format!("{variable} and {file} are both set: set one of them"));
                None
            }
            (Some(value), None) => Some(value),
            (None, Some(path)) => match fs::read_to_string(&path) {
                Ok(content) => Some(content.trim_end_matches(['\n', '\r']).into()),
                Err(error) => {
                    wrong.push(format!(
                        "{file} names {}, which cannot be read: {error}",
                        Path::new(&path).display()
                    ));
                    None
                }
            },
            (None, None) => None,
        };
        // Replaces what clap itself reads from the environment: it knows neither files nor empty variables.
        let argument = argument.env(Resettable::Reset);
        match value {
            Some(value) => argument.default_value(value).required(false),
            None => argument,
        }
    })
}

fn explained(known: &Command, error: &clap::Error) -> Vec<String> {
    let named = |shown: &str| known.get_arguments().find(|argument| argument.to_string() == shown);
    let lines: Vec<_> = match (error.kind(), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::MissingRequiredArgument, Some(ContextValue::Strings(missing))) => missing
            .iter()
            .filter_map(|shown| named(shown))
            .map(|argument| format!("{} is not set: {}", variable(argument), meaning(argument)))
            .collect(),
        (ErrorKind::InvalidValue | ErrorKind::ValueValidation, Some(ContextValue::String(shown))) => {
            named(shown).map(|argument| wrong_value(argument, error)).into_iter().collect()
        }
        _ => Vec::new(),
    };
    if lines.is_empty() {
        let text = error.render().to_string();
        return vec![text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()];
    }
    lines
}

fn wrong_value(argument: &Arg, error: &clap::Error) -> String {
    let value = match error.get(ContextKind::InvalidValue) {
        // Of many lines is what stands in a file; a key's, at worst.
        Some(ContextValue::String(value)) if !argument.is_hide_env_values_set() && !value.contains('\n') => {
            format!("`{value}`: ")
        }
        _ => String::new(),
    };
    let why = match (error.source(), error.get(ContextKind::ValidValue)) {
        (Some(source), _) => source.to_string(),
        (None, Some(ContextValue::Strings(valid))) => format!("must be one of {}", valid.join(", ")),
        (None, _) => "not a valid value".to_owned(),
    };
    format!("{} is wrong: {value}{why} ({})", variable(argument), meaning(argument))
}

fn variable(argument: &Arg) -> String {
    argument.get_env().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn meaning(argument: &Arg) -> String {
    argument.get_help().map(ToString::to_string).unwrap_or_default()
}

fn refused(name: &str, lines: Vec<String>) -> Refused {
    Refused::Wrong(lines.into_iter().map(|line| format!("{name}: {line}")).collect())
}
