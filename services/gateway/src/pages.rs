//! What is answered to requests that are no calls. REST and GraphQL join here.

use axum::{
    Json, Router,
    http::{StatusCode, Uri},
    routing::get,
};
use serde_json::{Value, json};

/// What is at `/`, and where nothing is.
pub(crate) fn router() -> Router {
    Router::new().route("/", get(async || Json(about()))).fallback(nothing)
}

fn about() -> Value {
    json!({
        "service": "bookstore gateway",
        "version": env!("CARGO_PKG_VERSION"),
        "grpc": "gRPC over HTTP/2 without TLS, and gRPC-Web, at /<package>.<Service>/<Method>",
        "contract": "served by grpc.reflection.v1: grpcurl -plaintext <address> list",
    })
}

async fn nothing(uri: Uri) -> (StatusCode, Json<Value>) {
    let message = format!(
        "there is nothing at {}: gRPC and gRPC-Web calls are POSTs with a content-type of application/grpc or \
         application/grpc-web, and `/` says what else is here",
        uri.path()
    );
    (StatusCode::NOT_FOUND, problem("NOT_FOUND", &message))
}

/// gRPC came over HTTP/1.
pub(crate) fn needs_http2() -> (StatusCode, Json<Value>) {
    let message = "gRPC needs HTTP/2; over HTTP/1 use gRPC-Web (application/grpc-web)";
    (StatusCode::HTTP_VERSION_NOT_SUPPORTED, problem("HTTP2_REQUIRED", message))
}

fn problem(reason: &str, message: &str) -> Json<Value> {
    Json(json!({ "error": { "reason": reason, "message": message } }))
}
