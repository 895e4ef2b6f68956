use std::convert::Infallible;

use http::{HeaderMap, Request, Response};
use http_body::Frame;
use opentelemetry::trace::{SpanId, SpanKind, Status as SpanStatus, TracerProvider as _};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use tonic::{Status, body::Body};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tracing_subscriber::layer::SubscriberExt as _;

use super::*;

struct Spans {
    exporter: InMemorySpanExporter,
    _provider: SdkTracerProvider,
    _subscriber: tracing::subscriber::DefaultGuard,
}

fn spans() -> Spans {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let subscriber = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    Spans { exporter, _provider: provider, _subscriber: subscriber }
}

impl Spans {
    fn of(&self, kind: &SpanKind) -> SpanData {
        let finished = self.exporter.get_finished_spans().unwrap();
        finished.into_iter().find(|span| span.span_kind == *kind).unwrap()
    }

    fn none(&self) -> bool {
        self.exporter.get_finished_spans().unwrap().is_empty()
    }
}

fn request(path: &str) -> Request<Body> {
    Request::builder().uri(format!("http://localhost{path}")).body(Body::empty()).unwrap()
}

const PLACE_ORDER: &str = "/bookstore.order.v1.OrderService/PlaceOrder";

fn server() -> ServerLayer {
    ServerLayer::new(["bookstore.order.v1.OrderService/PlaceOrder".to_owned()])
}

fn status_code(span: &SpanData) -> Option<String> {
    span.attributes
        .iter()
        .find(|attribute| attribute.key.as_str() == "rpc.grpc.status_code")
        .map(|attribute| attribute.value.to_string())
}

/// A body of one message whose status comes in the trailers.
struct Stream {
    frames: Vec<Frame<bytes::Bytes>>,
}

impl Stream {
    fn ending(code: &'static str) -> Body {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", code.parse().unwrap());
        let frames = vec![Frame::trailers(trailers), Frame::data(bytes::Bytes::from_static(b"message"))];
        Body::new(Stream { frames })
    }
}

impl http_body::Body for Stream {
    type Data = bytes::Bytes;
    type Error = Status;
    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<bytes::Bytes>, Status>>> {
        Poll::Ready(self.frames.pop().map(Ok))
    }
}

async fn read(mut body: impl http_body::Body<Data = bytes::Bytes> + Unpin) {
    while std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await.is_some() {}
}

#[tokio::test]
async fn the_server_span_is_a_child_of_the_client_span() {
    let spans = spans();
    let server = server().layer(service_fn(|_: Request<Body>| async {
        Ok::<_, Infallible>(Response::new(Stream::ending("0")))
    }));
    let response = ClientLayer.layer(server).oneshot(request(PLACE_ORDER)).await;
    read(response.unwrap().into_body()).await;

    let (client, server) = (spans.of(&SpanKind::Client), spans.of(&SpanKind::Server));
    assert_eq!(client.name, "bookstore.order.v1.OrderService/PlaceOrder");
    assert_eq!(client.parent_span_id, SpanId::INVALID);
    assert_eq!(server.parent_span_id, client.span_context.span_id());
    assert_eq!(server.span_context.trace_id(), client.span_context.trace_id());
    assert_eq!(status_code(&server).as_deref(), Some("0"));
}

#[tokio::test]
async fn a_stream_ends_its_span_with_its_trailers() {
    let spans = spans();
    let service =
        service_fn(|_: Request<Body>| async { Ok::<_, Infallible>(Response::new(Stream::ending("14"))) });
    let response = server().layer(service).oneshot(request(PLACE_ORDER)).await.unwrap();
    assert!(spans.none(), "the body isn't read yet");
    read(response.into_body()).await;
    let span = spans.of(&SpanKind::Server);
    assert_eq!(status_code(&span).as_deref(), Some("14"));
    assert!(matches!(span.status, SpanStatus::Error { .. }));
}

#[tokio::test]
async fn a_refusal_is_no_error_of_the_server() {
    let spans = spans();
    let service = service_fn(|_: Request<Body>| async {
        Ok::<_, Infallible>(Status::not_found("").into_http::<Body>())
    });
    let _ = ClientLayer.layer(server().layer(service)).oneshot(request(PLACE_ORDER)).await.unwrap();
    assert_eq!(spans.of(&SpanKind::Server).status, SpanStatus::Unset);
    assert!(matches!(spans.of(&SpanKind::Client).status, SpanStatus::Error { .. }));
}

#[tokio::test]
async fn a_call_that_is_given_up_is_cancelled() {
    let spans = spans();
    let service = service_fn(|_: Request<Body>| std::future::pending::<Result<Response<Body>, Infallible>>());
    drop(ClientLayer.layer(server().layer(service)).call(request(PLACE_ORDER)));
    for kind in [SpanKind::Client, SpanKind::Server] {
        let span = spans.of(&kind);
        assert_eq!((status_code(&span).as_deref(), span.status), (Some("1"), SpanStatus::Unset));
    }
}

/// Whatever it is refused for: a wrong token or deadline is noticed before its method is looked for.
#[tokio::test]
async fn a_method_that_is_not_known_is_called_like_all_such() {
    let spans = spans();
    let service = service_fn(|_: Request<Body>| async {
        Ok::<_, Infallible>(Status::unauthenticated("").into_http::<Body>())
    });
    for path in ["/made.up/One", "/made.up", "//", "/bookstore.order.v1.OrderService/PlaceOrder/"] {
        let _ = server().layer(service).oneshot(request(path)).await.unwrap();
    }
    let ended = spans.exporter.get_finished_spans().unwrap();
    assert_eq!(ended.iter().map(|span| &*span.name).collect::<Vec<_>>(), ["_OTHER"; 4]);
    let said = format!(
        "{ended:?} {:?}",
        Call::begin(Side::Server, None, &Current::new()).attributes(tonic::Code::Unauthenticated)
    );
    assert!(!said.contains("made.up"), "{said}");
}

#[tokio::test]
async fn probes_leave_no_spans() {
    let spans = spans();
    let service = service_fn(|_: Request<Body>| async {
        Ok::<_, Infallible>(Status::not_found("").into_http::<Body>())
    });
    let server = ServerLayer::new(["grpc.health.v1.Health/Check".to_owned()]).layer(service);
    let _ = server.oneshot(request("/grpc.health.v1.Health/Check")).await.unwrap();
    assert!(spans.none());
}

#[tokio::test]
async fn a_call_that_is_not_recorded_leaves_no_span_and_goes_on_in_its_trace() {
    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-";
    let spans = spans();
    let told = |_: Request<Body>| async {
        let mut headers = HeaderMap::new();
        propagation::inject_current(&mut headers);
        let mut response = Response::new(Body::empty());
        *response.headers_mut() = headers;
        Ok::<_, Infallible>(response)
    };
    let mut asked = request(PLACE_ORDER);
    let parent = format!("{TRACE}00f067aa0ba902b7-00");
    asked.headers_mut().insert(propagation::TRACEPARENT, parent.parse().unwrap());
    let response = server().layer(ClientLayer.layer(service_fn(told))).oneshot(asked).await.unwrap();
    let onward = response.headers()[propagation::TRACEPARENT].to_str().unwrap();
    assert!(onward.starts_with(TRACE) && onward.ends_with("-00") && onward != parent, "{onward}");
    assert!(spans.none());
}

#[tokio::test]
async fn a_kept_context_makes_a_child_and_a_link() {
    let spans = spans();
    let first = tracing::info_span!("first");
    let second = tracing::info_span!("second", otel.kind = "producer");
    let kept = first.in_scope(propagation::traceparent).unwrap();
    {
        let batch = tracing::info_span!("batch", otel.kind = "consumer");
        propagation::follow(&batch, Some(&kept));
        propagation::link_to(&batch, &second);
        propagation::join_traceparents(&batch, ["nonsense"]);
        batch.in_scope(|| ());
    }
    drop((first, second));
    let batch = spans.of(&SpanKind::Consumer);
    assert!(
        kept.contains(&batch.parent_span_id.to_string())
            && kept.contains(&batch.span_context.trace_id().to_string())
    );
    assert_eq!(batch.links.len(), 1);
    assert_eq!(batch.links[0].span_context, spans.of(&SpanKind::Producer).span_context);
}
