//! The admin port: health, metrics and version, for the platform. It reads nothing of users and changes nothing.

use axum::{Json, Router, http::StatusCode, routing::get};
use serde_json::json;

use crate::health::Health;

pub(crate) fn router(service: &'static str, health: &Health) -> Router {
    let readiness = health.clone();
    let grpc = health.grpc();
    Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(async move || readyz(&readiness)))
        .route("/metrics", get(metrics))
        .route(
            "/version",
            get(async move || Json(json!({ "service": service, "version": env!("CARGO_PKG_VERSION") }))),
        )
        .route_service(&format!("/{}/{{*method}}", name_of(&grpc)), grpc)
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
