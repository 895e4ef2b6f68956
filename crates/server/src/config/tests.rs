use std::{collections::HashMap, ffi::OsString, io::Write as _, time::Duration};

use clap::Parser;
use secrecy::ExposeSecret as _;

use super::{
    Config, Mesh, duration_in,
    read::{Refused, read},
};
use crate::peer::Peers;

#[derive(Parser, Debug)]
struct Order {
    #[command(flatten)]
    server: Config,
}

const COMPLETE: [(&str, &str); 2] = [
    ("BOOKSTORE_DATABASE_URL", "postgres://order:hunter2@localhost/order"),
    ("BOOKSTORE_NATS_URL", "nats://localhost:4222"),
];

/// Reads a complete environment after `changes`; a variable changed to nothing isn't set.
fn configured(changes: &[(&str, &str)], arguments: &[&str]) -> Result<Order, Vec<String>> {
    let mut variables: HashMap<&str, &str> = COMPLETE.into();
    variables.extend(changes.iter().copied());
    let arguments = ["order"].iter().chain(arguments).map(OsString::from);
    read(Order::NAME, [50053, 51053], arguments, |name| variables.get(name).map(OsString::from)).map_err(
        |refused| match refused {
            Refused::Wrong(lines) => lines,
            Refused::Asked(answer) => vec![answer.to_string()],
        },
    )
}

impl Order {
    const NAME: &str = "order";
}

#[test]
fn what_has_a_default_need_not_be_set() {
    let Order { server } = configured(&[], &[]).unwrap();
    assert_eq!(server.database_pool, 8);
    let base = server.base;
    assert_eq!(base.listen.to_string(), "0.0.0.0:50053");
    assert_eq!(base.admin_listen.to_string(), "0.0.0.0:51053");
    assert_eq!((base.mesh, base.log.as_str()), (Mesh::Native, "info"));
    assert_eq!((base.stop_grace.as_secs(), base.endpoint_propagation.as_secs()), (20, 0));
    assert_eq!((base.max_concurrent_calls, base.max_connection_age.as_secs()), (1024, 300));
}

/// Why services can't be told apart after `changes`.
fn refused(changes: &[(&str, &str)]) -> String {
    let Order { server } = configured(changes, &[]).unwrap();
    Peers::configured(&server.base).unwrap_err().to_string()
}

#[test]
fn what_a_profile_needs_is_named() {
    let native = refused(&[("BOOKSTORE_TLS_KEY", "/key.pem")]);
    assert!(native.starts_with("BOOKSTORE_TLS_CERTIFICATE and BOOKSTORE_TLS_ROOTS must be set"), "{native}");
    for profile in ["linkerd", "istio"] {
        let undomained = refused(&[("BOOKSTORE_MESH", profile)]);
        assert!(undomained.starts_with("BOOKSTORE_MESH_TRUST_DOMAIN is not set"), "{undomained}");
        let changes = [("BOOKSTORE_MESH", profile), ("BOOKSTORE_MESH_TRUST_DOMAIN", "cluster.local")];
        let unnamed = refused(&changes);
        assert!(unnamed.starts_with("BOOKSTORE_MESH_NAMESPACE is not set"), "{unnamed}");
    }
    let files = ["BOOKSTORE_TLS_CERTIFICATE", "BOOKSTORE_TLS_KEY", "BOOKSTORE_TLS_ROOTS"]
        .map(|name| (name, "/nowhere"));
    let unreadable = refused(&files);
    assert!(
        unreadable.contains("BOOKSTORE_TLS_CERTIFICATE") && unreadable.contains("/nowhere"),
        "{unreadable}"
    );
}

#[test]
fn unidentified_peers_are_allowed_only_where_nobody_is_identified() {
    let allow = ("BOOKSTORE_ALLOW_UNIDENTIFIED_PEERS", "true");
    for profile in ["native", "linkerd", "istio"] {
        let wrong = refused(&[allow, ("BOOKSTORE_MESH", profile)]);
        assert!(wrong.starts_with("BOOKSTORE_ALLOW_UNIDENTIFIED_PEERS is wrong: "), "{wrong}");
    }
    let off = |changes: &[_]| Peers::configured(&configured(changes, &[]).unwrap().server.base).unwrap();
    assert!(matches!(off(&[allow, ("BOOKSTORE_MESH", "off")]), Peers::Anybody(_)));
    assert!(matches!(off(&[("BOOKSTORE_MESH", "off")]), Peers::Nobody));
}

#[test]
fn a_missing_variable_is_named_in_one_line() {
    assert_eq!(
        configured(&[("BOOKSTORE_DATABASE_URL", "")], &[]).unwrap_err(),
        ["order: BOOKSTORE_DATABASE_URL is not set: the Postgres URL of this service's database"]
    );
}

#[test]
fn every_missing_variable_has_its_line() {
    let nothing = [("BOOKSTORE_DATABASE_URL", ""), ("BOOKSTORE_NATS_URL", "")];
    let lines = configured(&nothing, &[]).unwrap_err();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines[0].contains("BOOKSTORE_DATABASE_URL") && lines[1].contains("BOOKSTORE_NATS_URL"),
        "{lines:?}"
    );
}

#[test]
fn a_wrong_variable_is_named_with_its_value_and_what_is_wrong() {
    assert_eq!(
        configured(&[("BOOKSTORE_LISTEN", "here")], &[]).unwrap_err(),
        [
            "order: BOOKSTORE_LISTEN is wrong: `here`: invalid socket address syntax (the address that answers calls)"
        ]
    );
    for (variable, value) in [
        ("BOOKSTORE_DATABASE_POOL", "0"),
        ("BOOKSTORE_STOP_GRACE", "soon"),
        ("BOOKSTORE_LOG_FORMAT", "xml"),
        ("BOOKSTORE_ADMIN_LISTEN", "0.0.0.0"),
        ("BOOKSTORE_MESH", "consul"),
        ("BOOKSTORE_MAX_CONCURRENT_CALLS", "0"),
        ("BOOKSTORE_MAX_CONNECTION_AGE", "1ms"),
    ] {
        let lines = configured(&[(variable, value)], &[]).unwrap_err();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].starts_with(&format!("order: {variable} is wrong: `{value}`: ")), "{lines:?}");
    }
}

#[test]
fn a_wrong_secret_is_named_and_not_repeated() {
    for (variable, value) in [
        ("BOOKSTORE_DATABASE_URL", "mysql://root:hunter2@localhost/order"),
        ("BOOKSTORE_NATS_URL", "http://nats:hunter2@localhost:99999"),
    ] {
        let lines = configured(&[(variable, value)], &[]).unwrap_err();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].starts_with(&format!("order: {variable} is wrong: ")), "{lines:?}");
        assert!(!lines[0].contains("hunter2"), "{lines:?}");
    }
}

#[test]
fn a_secret_may_stand_in_a_file() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "postgres://from:file@localhost/order").unwrap();
    let path = file.path().to_str().unwrap();
    let read =
        configured(&[("BOOKSTORE_DATABASE_URL", ""), ("BOOKSTORE_DATABASE_URL_FILE", path)], &[]).unwrap();
    assert_eq!(read.server.database_url.expose_secret(), "postgres://from:file@localhost/order");
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_its_variable() {
    let lines =
        configured(&[("BOOKSTORE_DATABASE_URL", ""), ("BOOKSTORE_DATABASE_URL_FILE", "/nowhere")], &[])
            .unwrap_err();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].starts_with("order: BOOKSTORE_DATABASE_URL_FILE names /nowhere, which cannot be read: "),
        "{lines:?}"
    );
}

#[test]
fn a_key_in_place_of_its_path_is_refused_and_not_repeated() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----").unwrap();
    let lines = configured(&[("BOOKSTORE_TLS_KEY_FILE", file.path().to_str().unwrap())], &[]).unwrap_err();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("order: BOOKSTORE_TLS_KEY is wrong: must be the path"), "{lines:?}");
    assert!(!lines[0].contains("hunter2"), "{lines:?}");
}

#[test]
fn a_variable_and_its_file_contradict_each_other() {
    assert_eq!(
        configured(&[("BOOKSTORE_DATABASE_URL_FILE", "/nowhere")], &[]).unwrap_err(),
        ["order: BOOKSTORE_DATABASE_URL and BOOKSTORE_DATABASE_URL_FILE are both set: set one of them"]
    );
}

#[test]
fn a_flag_wins_over_its_variable() {
    let read = configured(&[("BOOKSTORE_LOG", "warn")], &["--log", "debug"]).unwrap();
    assert_eq!(read.server.base.log, "debug");
}

#[test]
fn secrets_are_refused_on_the_command_line() {
    let lines = configured(&[], &["--nats-url", "nats://order:hunter2@localhost"]).unwrap_err();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("BOOKSTORE_NATS_URL_FILE") && !lines[0].contains("hunter2"), "{lines:?}");
}

#[test]
fn help_names_the_variables_whatever_is_set() {
    let help = configured(&[("BOOKSTORE_DATABASE_URL", "")], &["--help"]).unwrap_err().concat();
    for (variable, _) in COMPLETE {
        assert!(help.contains(variable), "{variable} is missing in {help}");
    }
}

#[test]
fn a_duration_is_read_within_its_range() {
    let read = duration_in(Duration::from_millis(10)..=Duration::from_hours(1));
    assert_eq!(read("1500ms"), Ok(Duration::from_millis(1500)));
    assert_eq!((read("10ms"), read("1h")), (Ok(Duration::from_millis(10)), Ok(Duration::from_hours(1))));
    for text in ["0s", "1ns", "9ms", "61m"] {
        assert_eq!(read(text), Err("must be 10ms to 1h".to_owned()), "{text}");
    }
    assert!(read("soon").is_err());
}
