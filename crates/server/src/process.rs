//! A service as a process.

use std::{env, panic, process::ExitCode};

use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;
use values::Clock;

use crate::{
    Application, Config, Listeners,
    config::{self, LogFormat, Refused},
    run,
};

/// Runs a service until it is told to stop by SIGTERM or SIGINT.
///
/// What keeps it from starting is said on standard error in a line that names the variable.
pub async fn main<A: Application>() -> ExitCode {
    let configured = config::read::<A::Config>(A::NAME, A::PORT, env::args_os(), |name| env::var_os(name));
    let config = match configured {
        Ok(config) => config,
        Err(Refused::Asked(answer)) => {
            let _ = answer.print();
            return ExitCode::SUCCESS;
        }
        Err(Refused::Wrong(lines)) => return refuse(&lines.join("\n")),
    };
    let telemetry = match telemetry::init(telemetry_config(A::NAME, config.as_ref())) {
        Ok(telemetry) => telemetry,
        Err(error) => return refuse(&format!("{}: {}", A::NAME, telemetry_error(&error))),
    };
    log_panics();
    // On the heap: too large a future for the stack that tools give a thread.
    let outcome = Box::pin(serve::<A>(config)).await;
    let code = match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the service ends");
            refuse(&format!("{}: {error}", A::NAME))
        }
    };
    // The exporter needs the runtime while the last spans leave.
    let _ = tokio::task::spawn_blocking(move || telemetry.shutdown()).await;
    code
}

async fn serve<A: Application>(config: A::Config) -> Result<(), Box<dyn std::error::Error>> {
    let Config { listen, admin_listen, .. } = *config.as_ref();
    let bind = async |variable, address| {
        let bound = TcpListener::bind(address).await;
        bound.map_err(|error| format!("{variable} is wrong: {address} cannot be listened on: {error}"))
    };
    let listeners = Listeners {
        grpc: bind("BOOKSTORE_LISTEN", listen).await?,
        admin: bind("BOOKSTORE_ADMIN_LISTEN", admin_listen).await?,
    };
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let told = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        told.cancel();
    });
    Ok(run::<A>(config, listeners, Clock::system(), stop).await?)
}

fn telemetry_config(service: &'static str, config: &Config) -> telemetry::Config {
    telemetry::Config {
        service,
        filter: config.log.clone(),
        otlp_endpoint: config.otlp_endpoint.clone(),
        json: config.log_format == LogFormat::Json,
    }
}

fn telemetry_error(error: &telemetry::Error) -> String {
    match error {
        telemetry::Error::Filter(..) => format!("BOOKSTORE_LOG is wrong: {error}"),
        telemetry::Error::Endpoint(..) => format!("OTEL_EXPORTER_OTLP_ENDPOINT is wrong: {error}"),
        telemetry::Error::Metrics(_) | telemetry::Error::Twice => error.to_string(),
    }
}

/// A panic is a line of the log like any other, with its trace.
fn log_panics() {
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("of unknown kind");
        tracing::error!(place, message, "panic");
    }));
}

#[expect(clippy::print_stderr, reason = "whoever started the process reads why it did not start")]
fn refuse(lines: &str) -> ExitCode {
    eprintln!("{lines}");
    ExitCode::FAILURE
}
