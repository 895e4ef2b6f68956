//! `certificates`: makes and renews the secrets of a shop on Kubernetes that nobody has given it.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command talks by printing")]

mod options;

use std::{process::ExitCode, time::SystemTime};

use anyhow::Result;
use certificates::{
    cluster::{self, Namespace},
    show,
};
use clap::Parser as _;

use options::{Command, Options};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Options::parse().command).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Ensure(ensure) => {
            let (client, namespace) = cluster::connect(ensure.shop.place.namespace.as_deref()).await?;
            let told = Namespace::new(client, &namespace).ensure(&ensure.wanted(namespace), now()).await?;
            for (secret, line) in told {
                println!("{secret}: {line}");
            }
        }
        Command::Show(shop) => {
            let (client, namespace) = cluster::connect(shop.place.namespace.as_deref()).await?;
            let services = shop.services();
            let found = Namespace::new(client, &namespace).find(show::secrets(&services)).await?;
            let report = show::report(&found, &services, now());
            print!("{report}");
            return Ok(ExitCode::from(u8::from(!report.is_good())));
        }
        Command::Remove(place) => {
            let (client, namespace) = cluster::connect(place.namespace.as_deref()).await?;
            for secret in Namespace::new(client, &namespace).remove().await? {
                println!("{secret}: deleted");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::disallowed_methods, reason = "certificates are valid by the machine's time")]
fn now() -> SystemTime {
    SystemTime::now()
}
