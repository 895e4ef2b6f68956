use futures::stream::{self, StreamExt as _};
use http::HeaderValue;
use tonic::Code;
use tonic_types::StatusExt as _;
use values::{Clock, SessionId};

use super::*;
use crate::call::session::tests::signed_in;

/// A body of these frames, and then of what `rest` does.
struct Frames<R> {
    first: std::vec::IntoIter<Frame<Bytes>>,
    rest: R,
}

impl<R: FnMut() -> Poll<Option<Frame<Bytes>>> + Unpin> HttpBody for Frames<R> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match self.first.next() {
            Some(frame) => Poll::Ready(Some(Ok(frame))),
            None => (self.rest)().map(|frame| frame.map(Ok)),
        }
    }
}

fn message() -> Frame<Bytes> {
    Frame::data(Bytes::from_static(b"message"))
}

fn trailers(code: &'static str) -> Frame<Bytes> {
    Frame::trailers(
        [(http::HeaderName::from_static("grpc-status"), HeaderValue::from_static(code))]
            .into_iter()
            .collect(),
    )
}

fn guarded<R>(first: Vec<Frame<Bytes>>, session: Session, rest: R) -> Guarded
where
    R: FnMut() -> Poll<Option<Frame<Bytes>>> + Unpin + Send + 'static,
{
    let named = [(http::HeaderName::from_static("x-request-id"), HeaderValue::from_static("click-17"))];
    let limits = Limits {
        deadline: Deadline(None),
        session,
        streams_end: CancellationToken::new(),
        request_id: RequestId::of(&named.into_iter().collect()),
    };
    Guarded::new(Body::new(Frames { first: first.into_iter(), rest }), limits)
}

/// The messages of a body, and the status that it ends with.
async fn read(mut body: Guarded) -> (usize, Option<Status>) {
    let frames: Vec<_> = stream::poll_fn(move |context| Pin::new(&mut body).poll_frame(context))
        .map(Result::unwrap)
        .collect()
        .await;
    let status = frames.last().and_then(Frame::trailers_ref).and_then(Status::from_header_map);
    (frames.iter().filter(|frame| frame.is_data()).count(), status)
}

fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

#[tokio::test]
async fn a_stream_that_waits_ends_when_its_callers_sign_in_is_revoked() {
    let id = SessionId::new();
    let (session, revocations) = signed_in(id).await;
    let reading = tokio::spawn(read(guarded(vec![message()], session, || Poll::Pending)));
    tokio::task::yield_now().await;
    assert!(!reading.is_finished());

    revocations.revoke_session(id, Clock::system().now());

    let (messages, status) = reading.await.unwrap();
    let status = status.unwrap();
    assert_eq!(
        (messages, status.code(), reason(&status).as_str()),
        (1, Code::Unauthenticated, "SESSION_REVOKED")
    );
    assert_eq!(status.get_details_request_info().unwrap().request_id, "click-17");
}

#[tokio::test]
async fn a_stream_that_never_waits_ends_too() {
    let id = SessionId::new();
    let (session, revocations) = signed_in(id).await;
    let mut said = 0;
    let body = guarded(Vec::new(), session, move || {
        said += 1;
        if said == 10 {
            revocations.revoke_session(id, Clock::system().now());
        }
        if said < 1000 { Poll::Ready(Some(message())) } else { Poll::Ready(None) }
    });

    let (messages, status) = read(body).await;

    assert_eq!((messages, reason(&status.unwrap()).as_str()), (10, "SESSION_REVOKED"));
}

#[tokio::test]
async fn the_answer_of_a_call_that_was_admitted_stays_whole() {
    let id = SessionId::new();
    let (session, revocations) = signed_in(id).await;
    revocations.revoke_session(id, Clock::system().now());

    let (messages, status) =
        read(guarded(vec![message(), trailers("0")], session, || Poll::Ready(None))).await;

    assert_eq!((messages, status.unwrap().code()), (1, Code::Ok));
}

#[tokio::test]
async fn an_error_at_the_end_of_a_stream_has_its_details() {
    let body = guarded(vec![message(), trailers("5")], Session::NONE, || Poll::Ready(None));

    let status = read(body).await.1.unwrap();

    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "NOT_FOUND"));
    assert_eq!(status.get_details_request_info().unwrap().request_id, "click-17");
}
