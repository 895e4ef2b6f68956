//! A call on its way to the service that answers it, and the answer on its way back.
//!
//! Nobody looks into messages, and streams are passed on as they come, so that compression, trailers and backpressure are
//! between the client and the service. The one message of a call is kept until it has come, up to 256 KiB of it, so that it
//! can be sent again; the one answer likewise. Who goes away drops the call, which cancels it in the service.

mod answer;
mod upload;

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use http::{Request, Response, Uri, Version};
use server::OneMessage;
use tokio_util::sync::CancellationToken;
use tonic::{Status, body::Body};

use crate::{headers, request_id::RequestId, route::Shape, upstream::Upstream};
use answer::Answer;
pub(crate) use upload::ARRIVAL;
use upload::Upload;

/// What is said of each call that is passed on.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// The largest message, in either direction.
    pub(crate) max_message: usize,
    /// How long a unary call may take if its client doesn't say.
    pub(crate) default_deadline: Duration,
    /// Cancelled when streams that wait are to end.
    pub(crate) streams_end: CancellationToken,
}

/// Passes a call on.
///
/// # Errors
/// `INVALID_ARGUMENT`: its deadline can't be read. `RESOURCE_EXHAUSTED`: what is asked is too large, or the service has too much to do.
/// `DEADLINE_EXCEEDED`: what is asked doesn't come. UNAVAILABLE: the gateway stops before it has come.
pub(crate) async fn pass(
    request: Request<Body>,
    path: &str,
    shape: Shape,
    service: &Upstream,
    id: &RequestId,
    received: Arc<AtomicU64>,
    rules: &Rules,
) -> Result<Response<Body>, Status> {
    let (parts, body) = request.into_parts();
    let place = service.enter()?;
    let (upload, mut refused) = Upload::new(body, shape.asks_once, rules, received);
    let mut onward = Request::new(Body::new(upload));
    *onward.uri_mut() = Uri::try_from(path).unwrap_or_default();
    *onward.version_mut() = Version::HTTP_2;
    *onward.method_mut() = parts.method;
    *onward.headers_mut() = parts.headers;
    headers::clean_request(onward.headers_mut());
    headers::set_deadline(onward.headers_mut(), shape.is_unary().then_some(rules.default_deadline))?;
    id.show(onward.headers_mut());
    headers::fit(onward.headers())?;

    let mut response = tokio::select! {
        biased;
        status = refused.next() => return Err(status),
        Ok(response) = service.call(onward) => response,
    };
    headers::clean_response(response.headers_mut());
    if shape.answers_once {
        response.extensions_mut().insert(OneMessage);
    }
    // A status among the headers means that nothing else will come.
    if response.headers().contains_key("grpc-status") {
        return Ok(response.map(|_| Body::empty()));
    }
    // A stream that has begun mostly waits.
    let place = shape.answers_once.then_some(place);
    Ok(response.map(|body| Body::new(Answer::new(body, rules, refused, place))))
}

#[cfg(test)]
mod tests;
