//! A service as a process.

use std::{env, panic, process::ExitCode, time::Duration};

use futures::future::BoxFuture;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;
use values::Clock;

use crate::{
    Application, Error, Front, Listeners,
    config::{self, Base, LogFormat, Refused},
    run, run_front,
};

/// The exporter may be gone too; whoever stops us doesn't wait for it.
const FLUSH: Duration = Duration::from_secs(2);

/// Runs a service until it is told to stop by SIGTERM or SIGINT.
///
/// What keeps it from starting is said on standard error in a line that names the variable.
pub async fn main<A: Application>() -> ExitCode {
    let config = match read::<A::Config>(A::NAME, [A::PORT, A::PORT + 1000]) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let base = config.as_ref().base.clone();
    let run = |listeners, stop| run::<A>(config, listeners, Clock::system(), stop);
    // Its callers are processes of the shop: none asks for traces.
    process(A::NAME, base, None, Box::new(run)).await
}

/// Runs a [`Front`] as [`main`] does a service.
pub async fn front_main<F: Front>() -> ExitCode {
    let config = match read::<F::Config>(F::NAME, [F::PORT, F::ADMIN_PORT]) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let (base, asked_traces) = (config.as_ref().clone(), Some(F::asked_traces(&config)));
    let run = |listeners, stop| run_front::<F>(config, listeners, Clock::system(), stop);
    process(F::NAME, base, asked_traces, Box::new(run)).await
}

/// The configuration, or how the process ends at once.
fn read<C: clap::Parser>(name: &'static str, ports: [u16; 2]) -> Result<C, ExitCode> {
    config::read(name, ports, env::args_os(), |name| env::var_os(name)).map_err(|refused| match refused {
        Refused::Asked(answer) => {
            let _ = answer.print();
            ExitCode::SUCCESS
        }
        Refused::Wrong(lines) => refuse(&lines.join("\n")),
    })
}

type Run = Box<dyn FnOnce(Listeners, CancellationToken) -> BoxFuture<'static, Result<(), Error>> + Send>;

/// Boxed here, so that it is compiled in this crate and not in each program.
fn process(
    name: &'static str,
    base: Base,
    asked_traces: Option<u32>,
    run: Run,
) -> BoxFuture<'static, ExitCode> {
    Box::pin(async move {
        let telemetry = match telemetry::init(telemetry_config(name, &base, asked_traces)) {
            Ok(telemetry) => telemetry,
            Err(error) => return refuse(&format!("{name}: {}", telemetry_error(&error))),
        };
        log_panics();
        let outcome = async {
            let listeners = listen(&base).await?;
            run(listeners, told_to_stop()?).await.map_err(|error| error.to_string())
        }
        .await;
        let code = match outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                tracing::error!(%error, "the service ends");
                refuse(&format!("{name}: {error}"))
            }
        };
        flush(telemetry).await;
        code
    })
}

async fn listen(base: &Base) -> Result<Listeners, String> {
    let bind = async |variable, address| {
        let bound = TcpListener::bind(address).await;
        bound.map_err(|error| format!("{variable} is wrong: {address} cannot be listened on: {error}"))
    };
    Ok(Listeners {
        grpc: bind("BOOKSTORE_LISTEN", base.listen).await?,
        admin: bind("BOOKSTORE_ADMIN_LISTEN", base.admin_listen).await?,
    })
}

fn told_to_stop() -> Result<CancellationToken, String> {
    let listen_for = |kind| signal(kind).map_err(|error| format!("signals can't be had: {error}"));
    let mut terminate = listen_for(SignalKind::terminate())?;
    let mut interrupt = listen_for(SignalKind::interrupt())?;
    let stop = CancellationToken::new();
    let told = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        told.cancel();
    });
    Ok(stop)
}

/// Lets the last spans leave. On a thread that the end of the process doesn't wait for, inside the runtime, which the
/// exporter needs.
async fn flush(telemetry: telemetry::Telemetry) {
    let runtime = tokio::runtime::Handle::current();
    let (flushed, is_flushed) = tokio::sync::oneshot::channel();
    let flushing = move || {
        let _inside = runtime.enter();
        telemetry.shutdown();
        let _ = flushed.send(());
    };
    if std::thread::Builder::new().name("flush".to_owned()).spawn(flushing).is_ok() {
        let _ = tokio::time::timeout(FLUSH, is_flushed).await;
    }
}

fn telemetry_config(service: &'static str, config: &Base, asked_traces: Option<u32>) -> telemetry::Config {
    telemetry::Config {
        service,
        filter: config.log.clone(),
        otlp_endpoint: config.otlp_endpoint.clone(),
        sampling: telemetry::Sampling { new: config.traces_per_second, asked_for: asked_traces },
        json: config.log_format == LogFormat::Json,
    }
}

fn telemetry_error(error: &telemetry::Error) -> String {
    match error {
        telemetry::Error::Filter(..) => format!("BOOKSTORE_LOG is wrong: {error}"),
        telemetry::Error::Endpoint(..) => format!("OTEL_EXPORTER_OTLP_ENDPOINT is wrong: {error}"),
        telemetry::Error::Metrics(_) | telemetry::Error::Unsent(_) | telemetry::Error::Twice => {
            error.to_string()
        }
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
