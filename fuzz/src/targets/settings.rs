//! What a process is told at its start: targets, networks, durations, mail servers.

use clap::Parser as _;
use gateway::Config;
use mesh::Target as Callee;
use notification::MailRelay;

use crate::{Target, text};

pub(super) const TARGET: Target = Target {
    name: "settings",
    about: "what a process is told at its start",
    longest: 1024,
    run,
    examples: || {
        crate::texts(&[
            "dns:///inventory-headless:50052",
            "dns://127.0.0.1:5353/[::1]:50052",
            "ipv4:127.0.0.1:50052,127.0.0.1:50062",
            "k8s:///inventory:grpc",
            "10.0.0.0/8, fd00::/8,192.168.0.1",
            "https://shop.example,http://localhost:3000",
            "20s",
            "1h 30min",
            "smtps://mail.example:465",
            "smtp://mail.example:587?tls=required",
            "99999999S",
            "100000000m",
        ])
    },
};

fn run(bytes: &[u8]) {
    let Some(text) = text::of(bytes) else { return };
    text::round_trip::<Callee>(text);
    let _ = text.parse::<MailRelay>();
    if let Some(timeout) = mesh::parse_timeout(text) {
        assert!(text.len() <= 9 && timeout.as_secs() <= 99_999_999 * 3600);
    }
    let [proxies, origins, deadline] = ["trusted-proxies", "cors-origins", "default-deadline"];
    for option in [proxies, origins, deadline] {
        // Clap would take what begins so for an option.
        if let Ok(config) = Config::try_parse_from(["gateway".to_owned(), format!("--{option}={text}")]) {
            assert!(config.trusted_proxies.0.len() <= text.len());
            assert!(config.default_deadline.as_secs() <= 3600);
        }
    }
}
