//! Which protocol a request speaks, and gRPC-Web translated to gRPC for all that comes after.

use std::{
    convert::Infallible,
    task::{Context, Poll},
    time::Duration,
};

use futures::future::{BoxFuture, FutureExt as _, TryFutureExt as _};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Version, header};
use hyper::body::Incoming;
use server::headers::REQUEST_ID;
use telemetry::{
    propagation::TRACERESPONSE,
    rpc::{Server, ServerLayer},
};
use tonic::body::Body;
use tonic_web::{GrpcWebLayer, GrpcWebService};
use tower::{Layer as _, Service};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use crate::{config::Origins, door::Door};

/// How long a browser need not ask again what a page of another origin may do.
const ASKED: Duration = Duration::from_hours(1);

/// Among a request's extensions: what it speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Protocol {
    /// gRPC over HTTP/2.
    Grpc,
    /// gRPC over HTTP/1, which cannot work: there are no trailers.
    GrpcOverHttp1,
    /// gRPC-Web, binary or text.
    GrpcWeb,
    /// Anything else.
    Http,
}

impl Protocol {
    /// What the log calls it, if calls are made with it.
    pub(crate) const fn name(self) -> Option<&'static str> {
        match self {
            Self::Grpc => Some("grpc"),
            Self::GrpcWeb => Some("grpc-web"),
            Self::GrpcOverHttp1 | Self::Http => None,
        }
    }
}

/// Answers every request that comes in.
#[derive(Clone, Debug)]
pub(crate) struct Web {
    door: Door,
    measured: Server<Door>,
    /// Only for gRPC-Web: it answers 400 to any other request over HTTP/1.
    translated: GrpcWebService<Server<Door>>,
}

impl Web {
    pub(crate) fn new(door: Door, measure: &ServerLayer) -> Self {
        let measured = measure.layer(door.clone());
        Self { door, translated: GrpcWebLayer::new().layer(measured.clone()), measured }
    }
}

impl Service<Request<Incoming>> for Web {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let mut request = request.map(Body::new);
        let (protocol, content_type) = protocol(request.method(), request.headers(), request.version());
        request.extensions_mut().insert(protocol);
        match protocol {
            Protocol::GrpcWeb => {
                let content_type = HeaderValue::from_static(content_type);
                request.headers_mut().insert(header::CONTENT_TYPE, content_type);
                self.translated.call(request).boxed()
            }
            Protocol::Grpc => self.measured.call(request).map_ok(|answer| answer.map(Body::new)).boxed(),
            Protocol::GrpcOverHttp1 | Protocol::Http => self.door.call(request).boxed(),
        }
    }
}

/// With the content type as gRPC-Web's translation knows it.
fn protocol(method: &Method, headers: &HeaderMap, version: Version) -> (Protocol, &'static str) {
    if method != Method::POST {
        return (Protocol::Http, "");
    }
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    match content_type.to_ascii_lowercase().as_str() {
        "application/grpc-web" | "application/grpc-web+proto" => {
            (Protocol::GrpcWeb, "application/grpc-web+proto")
        }
        "application/grpc-web-text" | "application/grpc-web-text+proto" => {
            (Protocol::GrpcWeb, "application/grpc-web-text+proto")
        }
        "application/grpc" | "application/grpc+proto" if version == Version::HTTP_2 => (Protocol::Grpc, ""),
        "application/grpc" | "application/grpc+proto" => (Protocol::GrpcOverHttp1, ""),
        _ => (Protocol::Http, ""),
    }
}

/// Lets pages of these origins call, if there are any.
pub(crate) fn cors(origins: &Origins) -> Option<CorsLayer> {
    let allowed = match origins {
        Origins::None => return None,
        Origins::Any => AllowOrigin::any(),
        Origins::These(origins) => AllowOrigin::list(origins.iter().cloned()),
    };
    let shown = ["grpc-status", "grpc-message", "grpc-status-details-bin"].map(HeaderName::from_static);
    Some(
        CorsLayer::new()
            .allow_origin(allowed)
            .allow_methods([Method::POST])
            .allow_headers(AllowHeaders::mirror_request())
            .expose_headers(shown.into_iter().chain([REQUEST_ID, TRACERESPONSE]).collect::<Vec<_>>())
            .max_age(ASKED),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(content_type: &'static str, version: Version) -> Protocol {
        let headers = [(header::CONTENT_TYPE, HeaderValue::from_static(content_type))].into_iter().collect();
        protocol(&Method::POST, &headers, version).0
    }

    #[test]
    fn protocols_are_told_by_content_type_and_version() {
        assert_eq!(of("application/grpc", Version::HTTP_2), Protocol::Grpc);
        assert_eq!(of("application/grpc+proto", Version::HTTP_2), Protocol::Grpc);
        assert_eq!(of("application/grpc", Version::HTTP_11), Protocol::GrpcOverHttp1);
        assert_eq!(of("application/grpc-web-text", Version::HTTP_11), Protocol::GrpcWeb);
        assert_eq!(of("Application/gRPC-Web; charset=utf-8", Version::HTTP_11), Protocol::GrpcWeb);
        assert_eq!(of("application/grpc-web+proto", Version::HTTP_2), Protocol::GrpcWeb);
        assert_eq!(of("application/json", Version::HTTP_11), Protocol::Http);
        let grpc =
            [(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"))].into_iter().collect();
        assert_eq!(protocol(&Method::GET, &grpc, Version::HTTP_2).0, Protocol::Http);
    }
}
