//! The admin port: health, metrics and version, for the platform. It reads nothing of users and changes nothing.

use axum::{Json, Router, body::Body, http::StatusCode, routing::get};
use http::Request;
use hyper::body::Incoming;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::{
    health::Health,
    listen::{IDLE, Port, Terms, http_service},
};

/// What was built. Told by whoever builds: asking git here would build everything again after each commit.
const COMMIT: &str = match option_env!("BOOKSTORE_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};

fn router(service: &'static str, health: &Health) -> Router {
    let readiness = health.clone();
    let grpc = health.grpc();
    Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(async move || readyz(&readiness)))
        .route("/metrics", get(metrics))
        .route(
            "/version",
            get(async move || {
                Json(json!({ "service": service, "version": env!("CARGO_PKG_VERSION"), "commit": COMMIT }))
            }),
        )
        .route_service(&format!("/{}/{{*method}}", name_of(&grpc)), grpc)
}

/// How many connections there are at most: a few probes and scrapers make them.
const CONNECTIONS: usize = 256;

/// Answers on the admin port.
pub(crate) fn open(
    service: &'static str,
    listener: TcpListener,
    health: &Health,
    streams_end: CancellationToken,
) -> Port {
    let terms = Terms {
        name: "admin",
        identity: None,
        connections: CONNECTIONS,
        share: None,
        silence: IDLE,
        streams: 16,
        window: 64 << 10,
        age: None,
        streams_end,
    };
    let router = router(service, health).map_request(|request: Request<Incoming>| request.map(Body::new));
    Port::open(listener, terms, http_service(router))
}

fn readyz(health: &Health) -> (StatusCode, &'static str) {
    if health.is_ready() {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
    }
}

async fn metrics() -> ([(axum::http::HeaderName, &'static str); 1], String) {
    let format = "text/plain; version=0.0.4; charset=utf-8";
    ([(axum::http::header::CONTENT_TYPE, format)], telemetry::prometheus_text())
}

const fn name_of<S: tonic::server::NamedService>(_: &S) -> &'static str {
    S::NAME
}
