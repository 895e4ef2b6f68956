//! What a mail server answers.

use std::{net::Ipv4Addr, sync::LazyLock, time::Duration};

use clap::Parser as _;
use lettre::Message;
use notification::{Config, fuzzing::hand_over};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    runtime::Runtime,
};

use crate::Target;

pub(super) const TARGET: Target = Target {
    name: "mail-answers",
    about: "what a mail server answers",
    longest: 8192,
    run,
    examples: || {
        crate::texts(&[
            "220 mail\r\n250-mail\r\n250-SMTPUTF8\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME\r\n250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n",
            "220 mail\r\n250 mail\r\n250 ok\r\n550 5.1.1 nobody of that name: grace@example.com\r\n",
            "421-busy\r\n421 later\r\n",
            "220 mail\r\n500 what\r\n250 mail\r\n250 ok\r\n451 grey\r\n221 bye\r\n",
            "999 \r\n220",
        ])
    },
};

/// A conversation is over long before: the answers are there before the questions.
const PATIENCE: Duration = Duration::from_secs(30);

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap());

fn run(bytes: &[u8]) {
    RUNTIME.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let server = async {
            let (mut client, _) = listener.accept().await.unwrap();
            // It may hang up at any time.
            let _ = client.write_all(bytes).await;
            let _ = client.shutdown().await;
            let mut said = Vec::new();
            let _ = client.read_to_end(&mut said).await;
            said
        };
        let arguments =
            ["notification", "--smtp-url", &url, "--mail-from", "shop@example.com", "--mail-timeout", "30s"];
        let Ok(config) = configured(&arguments) else { panic!("the configuration is wrong") };
        let message = Message::builder()
            .from("shop@example.com".parse().unwrap())
            .to("grace@example.com".parse().unwrap())
            .subject("Your order")
            .body("It is on its way.".to_owned())
            .unwrap();
        let both = async { tokio::join!(server, hand_over(&config, &message)) };
        let Ok((said, outcome)) = tokio::time::timeout(PATIENCE, both).await else {
            panic!("a conversation doesn't end")
        };
        match outcome {
            Ok(()) => assert!(contains(&said, b"It is on its way."), "nobody got the mail"),
            Err(reason) => {
                // Kept with the delivery, and shown to who looks after it.
                assert!(!reason.is_empty() && reason.len() < 200, "{reason}");
                assert!(!reason.contains("grace@example.com"), "{reason}");
            }
        }
    });
}

fn configured(arguments: &[&str]) -> Result<Config, clap::Error> {
    let server = ["--database-url", "postgres://nowhere/none", "--nats-url", "nats://nowhere"];
    Config::try_parse_from(arguments.iter().chain(&server))
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
