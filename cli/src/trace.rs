//! `--trace`: what a command asked of the shop, to be looked at in Jaeger.

use std::{
    env,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use clap::{ArgMatches, Args, builder::FalseyValueParser};
use http::{Request, Response};
use telemetry::{
    propagation,
    rpc::{Client, ClientLayer, Measured},
};
use tonic::{
    body::Body,
    transport::{self, Channel},
};
use tower::{Layer as _, Service};
use tracing::Span;

use crate::{failure::Failure, output::Output};

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// Whether traces are wanted, and where they can be looked at.
#[derive(Args)]
#[command(next_help_heading = "The shop")]
pub(crate) struct Wanted {
    /// Have the shop record what the command causes, and print where that can be looked at
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        env = "BOOKSTORE_TRACE",
        value_parser = FalseyValueParser::new()
    )]
    trace: bool,
    /// Where Jaeger shows traces
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        env = "BOOKSTORE_TRACE_URL",
        value_name = "URL",
        default_value = "http://127.0.0.1:16686"
    )]
    trace_url: String,
}

/// What the shop told of the trace in which its calls were made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told(Arc<AtomicU8>);

/// A call has left.
const ASKED: u8 = 1;
/// An answer said that the trace is recorded.
const RECORDED: u8 = 2;
/// An answer said that it isn't.
const NOT_RECORDED: u8 = 4;

impl Told {
    fn note(&self, what: u8) {
        self.0.fetch_or(what, Relaxed);
    }

    fn has(&self, what: u8) -> bool {
        self.0.load(Relaxed) & what != 0
    }
}

/// The trace of a command, if one is wanted.
pub(crate) struct Trace {
    under_way: Option<telemetry::Command>,
    url: String,
    told: Told,
    /// Whether the command's own spans are kept too.
    is_seen: bool,
}

impl Trace {
    /// Before the command's first call. `typed` is what the command line says: its options' values stay out of the trace.
    pub(crate) fn begin(wanted: &Wanted, typed: &ArgMatches, told: &Told) -> Result<Self, Failure> {
        let endpoint = env::var(ENDPOINT).ok().filter(|endpoint| !endpoint.is_empty());
        let begin = || {
            telemetry::Command::begin("cli", &name(typed), endpoint.as_deref())
                .map_err(|error| Failure::usage(format!("{ENDPOINT} is wrong: {error}")))
        };
        Ok(Self {
            under_way: wanted.trace.then(begin).transpose()?,
            url: wanted.trace_url.trim_end_matches('/').to_owned(),
            told: told.clone(),
            is_seen: endpoint.is_some(),
        })
    }

    /// What the command does is done in this.
    pub(crate) fn span(&self) -> Span {
        self.under_way.as_ref().map_or_else(Span::none, |command| command.span().clone())
    }

    /// Says where the trace is.
    pub(crate) async fn end(self, has_failed: bool, output: &Output) {
        let Some(command) = self.under_way else { return };
        let id = command.trace_id();
        // In a thread of its own: the exporter goes on in this one.
        let ended = tokio::task::spawn_blocking(move || command.end(has_failed)).await;
        let is_seen = self.is_seen && matches!(ended, Ok(Ok(())));
        if self.is_seen && !is_seen {
            output.warning(&format!("nobody took this command's own spans where {ENDPOINT} says"));
        }
        if self.told.has(NOT_RECORDED) && !self.told.has(RECORDED) {
            output.warning(&format!(
                "the shop did not record this: it records no traces, or was asked for too many this second; its logs \
                 know it as {id}"
            ));
        } else if self.told.has(ASKED) || is_seen {
            output.trace(&format!("{}/trace/{id}", self.url));
        }
    }
}

/// `bookstore order place`.
fn name(typed: &ArgMatches) -> String {
    let mut name = "bookstore".to_owned();
    let mut typed = typed.subcommand();
    while let Some((command, rest)) = typed {
        name.push(' ');
        name.push_str(command);
        typed = rest.subcommand();
    }
    name
}

/// A connection whose calls belong to the command's trace, if there is one.
#[derive(Clone, Debug)]
pub(crate) struct Traced {
    connection: Client<Channel>,
    told: Told,
}

impl Traced {
    pub(crate) fn new(connection: Channel, told: &Told) -> Self {
        Self { connection: ClientLayer.layer(connection), told: told.clone() }
    }
}

impl Service<Request<Body>> for Traced {
    type Response = Response<Measured<Body>>;
    type Error = transport::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.connection.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (answer, told) = (self.connection.call(request), self.told.clone());
        told.note(ASKED);
        Box::pin(async move {
            let answer = answer.await?;
            match propagation::is_recorded(answer.headers()) {
                Some(true) => told.note(RECORDED),
                Some(false) => told.note(NOT_RECORDED),
                None => {}
            }
            Ok(answer)
        })
    }
}
