//! What clients may say to the services, and hear of them.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use server::headers::{TIMEOUT, timeout};
use tonic::Status;

use crate::status;

/// What a call's headers may take as HTTP/2 counts them. A service takes 16 KiB, of which some is for what is added on the
/// way; far above that it ends the connection, which the calls of all clients share.
const MOST: usize = 12 << 10;
/// HTTP/2's for each line beside its name and value (RFC 9113, 10.5.1).
const LINE: usize = 32;

/// Headers of one connection, not of the call (RFC 9110, 7.6.1), and what the next connection says anew.
const OF_THE_CONNECTION: [HeaderName; 9] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::HOST,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// What only a proxy or a service's sidecar may say of a call: taken from a client it would be believed.
const OF_PROXIES: [&str; 9] = [
    "baggage", // Would travel through every service and its events.
    "cf-connecting-ip",
    "cookie", // The browser's with the storefront; no service reads one.
    "forwarded",
    "keep-alive",
    "proxy-connection",
    "true-client-ip",
    "via",
    "x-real-ip",
];

/// As [`OF_PROXIES`], whole families: Linkerd's, Envoy's and Istio's, the proxies', and the shop's own.
const FAMILIES: [&str; 8] =
    ["bookstore-", "grpc-trace-", "grpc-tags-", "l5d-", "x-b3-", "x-envoy-", "x-forwarded-", "x-istio-"];

/// Takes off a request what clients may not say, and adds what gRPC needs.
///
/// Stays: `authorization`, which the services verify themselves; `traceparent` and `tracestate`, so that a client's
/// trace is one with ours; all metadata of the client's own.
pub(crate) fn clean_request(headers: &mut HeaderMap) {
    strip(headers);
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
}

/// Whether a service would take so much of a call's headers.
///
/// # Errors
/// `RESOURCE_EXHAUSTED`: it wouldn't.
pub(crate) fn fit(headers: &HeaderMap) -> Result<(), Status> {
    let bytes = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + LINE).sum();
    if bytes > MOST { Err(status::headers_too_large(bytes, MOST)) } else { Ok(()) }
}

/// Takes off an answer what is between the services and the gateway.
pub(crate) fn clean_response(headers: &mut HeaderMap) {
    strip(headers);
}

fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    // Mostly none: this is passed three times a call.
    let strange: Vec<_> = headers.keys().filter(|name| is_strange(name)).cloned().chain(named).collect();
    for name in strange {
        headers.remove(name);
    }
}

fn is_strange(name: &HeaderName) -> bool {
    OF_THE_CONNECTION.contains(name)
        || OF_PROXIES.contains(&name.as_str())
        || FAMILIES.iter().any(|family| name.as_str().starts_with(family))
}

/// Gives a unary call that has no deadline the default one.
///
/// # Errors
/// `INVALID_ARGUMENT`: it has one that can't be read.
pub(crate) fn set_deadline(headers: &mut HeaderMap, default: Option<Duration>) -> Result<(), Status> {
    if let (None, Some(default)) = (timeout(headers)?, default) {
        headers.insert(TIMEOUT, milliseconds(default));
    }
    Ok(())
}

fn milliseconds(timeout: Duration) -> HeaderValue {
    const MOST: u128 = 99_999_999;
    let text = format!("{}m", timeout.as_millis().min(MOST));
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("99999999m"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(headers: &[(&'static str, &'static str)]) -> Vec<String> {
        let mut headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        clean_request(&mut headers);
        headers.keys().map(ToString::to_string).collect()
    }

    #[test]
    fn what_only_proxies_and_services_may_say_is_taken_off() {
        let said = [
            "l5d-client-id",
            "x-forwarded-client-cert",
            "x-forwarded-for",
            "x-envoy-peer-metadata",
            "forwarded",
            "bookstore-service",
            "bookstore-anything",
            "baggage",
            "cookie",
            "host",
            "transfer-encoding",
        ];
        for name in said {
            assert_eq!(cleaned(&[(name, "anything")]), ["te"], "{name}");
        }
    }

    #[test]
    fn what_the_connection_names_goes_with_it() {
        assert_eq!(cleaned(&[("connection", "keep-alive, X-Mine"), ("x-mine", "1")]), ["te"]);
    }

    #[test]
    fn what_is_the_clients_own_stays() {
        for name in ["authorization", "traceparent", "tracestate", "grpc-timeout", "x-request-id", "mine-bin"]
        {
            assert_eq!(cleaned(&[(name, "anything")]), [name, "te"], "{name}");
        }
    }

    #[test]
    fn headers_are_counted_with_what_each_line_takes() {
        let fits = |lines: usize, value: usize| {
            let mut headers = HeaderMap::new();
            for _ in 0..lines {
                headers.append("mine", HeaderValue::try_from("x".repeat(value)).unwrap());
            }
            fit(&headers).map_err(|refused| refused.code())
        };
        assert_eq!(fits(1, MOST - LINE - 4), Ok(()));
        assert_eq!(fits(1, MOST - LINE - 3), Err(tonic::Code::ResourceExhausted));
        assert_eq!(fits(MOST / (LINE + 4) + 1, 0), Err(tonic::Code::ResourceExhausted));
    }

    #[test]
    fn a_call_without_a_deadline_gets_the_default_one() {
        let set = |timeout: Option<&'static str>, default| {
            let mut headers: HeaderMap =
                timeout.map(|timeout| (TIMEOUT, HeaderValue::from_static(timeout))).into_iter().collect();
            set_deadline(&mut headers, default)?;
            Ok::<_, Status>(headers.get(TIMEOUT).map(|timeout| timeout.to_str().unwrap().to_owned()))
        };
        let default = Some(Duration::from_secs(20));
        assert_eq!(set(None, default).unwrap().as_deref(), Some("20000m"));
        assert_eq!(set(None, Some(Duration::MAX)).unwrap().as_deref(), Some("99999999m"));
        assert_eq!(set(Some("60S"), default).unwrap().as_deref(), Some("60S"));
        assert_eq!(set(None, None).unwrap(), None);
        for malformed in ["", "S", "1", "5s", "123456789S"] {
            assert_eq!(set(Some(malformed), default).unwrap_err().code(), tonic::Code::InvalidArgument);
        }
    }
}
