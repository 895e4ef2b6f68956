use std::{collections::BTreeMap, env, fs, path::PathBuf, time::Duration};

use clap::{
    ArgMatches, CommandFactory as _, FromArgMatches as _, Parser, error::ErrorKind, parser::ValueSource,
};
use verify::{Access, Patience, Scope, Service};

/// What is to be looked at, and where it is.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) access: Access,
    pub(crate) scope: Scope,
    pub(crate) json: bool,
}

/// Says what is not as it must be in a shop: stock, ledger, orders, events, work that is stuck.
///
/// Reads only. What one database says of itself must be true at any moment; what services must agree on is asked of what
/// has been calm for --grace, and read twice. Each violation is a line with ids. Ends with 0 if there is none, with 1 if
/// there is one, with 2 if something could not be looked at.
///
/// URLs are secrets: each is given by its variable, or stands in the file that the variable with _FILE names.
#[derive(Parser)]
#[command(name = "verify", version)]
struct Arguments {
    /// The Postgres URL of identity's database
    #[arg(long, env = "BOOKSTORE_IDENTITY_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    identity_database_url: Option<String>,
    /// The Postgres URL of inventory's database
    #[arg(long, env = "BOOKSTORE_INVENTORY_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    inventory_database_url: Option<String>,
    /// The Postgres URL of order's database
    #[arg(long, env = "BOOKSTORE_ORDER_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    order_database_url: Option<String>,
    /// The Postgres URL of payment's database
    #[arg(long, env = "BOOKSTORE_PAYMENT_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    payment_database_url: Option<String>,
    /// The Postgres URL of notification's database
    #[arg(long, env = "BOOKSTORE_NOTIFICATION_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    notification_database_url: Option<String>,
    /// The URL of the NATS server; without it the streams are not looked at
    #[arg(long, env = "BOOKSTORE_NATS_URL", hide_env_values = true, value_name = "URL")]
    nats_url: Option<String>,
    /// The PEM file with the authorities that sign the NATS server's certificate; it is asked only with TLS then
    #[arg(long, env = "BOOKSTORE_NATS_ROOTS", value_name = "FILE")]
    nats_roots: Option<PathBuf>,
    /// For how long nothing must have happened to what services must agree on
    #[arg(long, default_value = "30s", value_parser = humantime::parse_duration)]
    grace: Duration,
    /// Nothing is under way in the shop: whatever is not finished is a violation
    #[arg(long, conflicts_with_all = ["grace", "work", "events", "mails"])]
    quiet_now: bool,
    /// How long orders, payments and refunds may be under way
    #[arg(long, default_value = "10m", value_parser = humantime::parse_duration)]
    work: Duration,
    /// How long an event may take until it is published and handled
    #[arg(long, default_value = "1m", value_parser = humantime::parse_duration)]
    events: Duration,
    /// How long a mail may wait
    #[arg(long, default_value = "15m", value_parser = humantime::parse_duration)]
    mails: Duration,
    /// How long one statement may take
    #[arg(long, default_value = "10m", value_parser = humantime::parse_duration)]
    statement_timeout: Duration,
    /// Print a document for programs
    #[arg(long)]
    json: bool,
}

impl Options {
    /// Reads the command line and the environment; ends the process with a message if they make no sense.
    pub(crate) fn read() -> Self {
        let matches = Arguments::command().get_matches();
        match Self::of(&matches) {
            Ok(options) => options,
            Err(wrong) => Arguments::command().error(ErrorKind::MissingRequiredArgument, wrong).exit(),
        }
    }

    fn of(matches: &ArgMatches) -> Result<Self, String> {
        let given = Arguments::from_arg_matches(matches).map_err(|error| error.to_string())?;
        let url = |name: &str, value: Option<String>| secret(matches, name, value);
        let mut databases = BTreeMap::new();
        for (service, value) in [
            (Service::Identity, given.identity_database_url),
            (Service::Inventory, given.inventory_database_url),
            (Service::Order, given.order_database_url),
            (Service::Payment, given.payment_database_url),
            (Service::Notification, given.notification_database_url),
        ] {
            let name = format!("{}_database_url", service.name());
            let found = url(&name, value)?;
            let found = found.ok_or_else(|| format!("where is the database? Set {}", variable(&name)))?;
            databases.insert(service, found);
        }
        let nats_url = url("nats_url", given.nats_url)?;
        let patience = Patience { work: given.work, events: given.events, mails: given.mails };
        let scope = if given.quiet_now { Scope::quiet_now() } else { Scope::open(given.grace, patience) };
        let access = Access {
            databases,
            nats_url,
            nats_roots: given.nats_roots,
            statement_timeout: given.statement_timeout,
        };
        Ok(Self { access, scope, json: given.json })
    }
}

fn variable(argument: &str) -> String {
    format!("BOOKSTORE_{}", argument.to_uppercase())
}

/// Of the variable, or of the file that the variable with `_FILE` names.
fn secret(matches: &ArgMatches, name: &str, value: Option<String>) -> Result<Option<String>, String> {
    let variable = variable(name);
    if matches.value_source(name) == Some(ValueSource::CommandLine) {
        return Err(format!(
            "the command line shows a secret to every process of the machine: set {variable} or {variable}_FILE"
        ));
    }
    let value = value.filter(|value| !value.is_empty());
    let file = env::var_os(format!("{variable}_FILE")).filter(|path| !path.is_empty());
    match (value, file) {
        (Some(_), Some(_)) => Err(format!("{variable} and {variable}_FILE are both set: set one of them")),
        (None, Some(path)) => match fs::read_to_string(&path) {
            Ok(content) => Ok(Some(content.trim_end_matches(['\n', '\r']).to_owned())),
            Err(error) => Err(format!("the file that {variable}_FILE names cannot be read: {error}")),
        },
        (value, None) => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_secret_on_the_command_line_is_refused_without_showing_it() {
        let given = ["verify", "--order-database-url", "postgres://u:hush@h/o"];
        let matches = Arguments::command().try_get_matches_from(given).unwrap();
        let refused = secret(&matches, "order_database_url", None).unwrap_err();
        assert!(
            refused.contains("BOOKSTORE_ORDER_DATABASE_URL_FILE") && !refused.contains("hush"),
            "{refused}"
        );
    }

    #[test]
    fn quiet_or_patient_but_not_both() {
        let both = ["verify", "--quiet-now", "--grace", "1s"];
        assert!(Arguments::command().try_get_matches_from(both).is_err());
    }
}
