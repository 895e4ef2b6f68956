use std::sync::Arc;

use anyhow::{Context as _, Result};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::Request;
use hyper::body::Incoming;
use prost::Message as _;
use proto::inventory::v1::{
    Book, GetBookDetailsRequest, ListBooksRequest, ListBooksResponse, get_book_details_request,
};
use tokio::sync::Notify;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::{
    harness::gateway,
    raw::{self, Http1},
    stub::{self, Stub},
};

const LIST: &str = "/bookstore.inventory.v1.InventoryService/ListBooks";
const DETAILS: &str = "/bookstore.inventory.v1.InventoryService/GetBookDetails";

/// Answers with a book of the title that was asked for as a category.
async fn library() -> Result<Stub> {
    Stub::start(async |request: Request<Incoming>| {
        if request.uri().path() == DETAILS {
            let details = ErrorDetails::with_error_info("BOOK_NOT_FOUND", "bookstore", []);
            return Status::with_error_details(Code::NotFound, "no such book", details).into_http();
        }
        let body = stub::read(request.into_body()).await;
        let Ok(asked) = ListBooksRequest::decode(&body[5..]) else {
            return Status::invalid_argument("unreadable").into_http();
        };
        let books = vec![Book { title: asked.category, ..Default::default() }];
        stub::answer(&ListBooksResponse { books, next_page_token: String::new() })
    })
    .await
}

fn asked(title: &str) -> Vec<u8> {
    stub::framed(&ListBooksRequest { category: title.to_owned(), ..Default::default() }).to_vec()
}

/// The titles in an answer, and the trailers behind them.
fn read(body: &[u8]) -> Result<(Vec<String>, String)> {
    let (mut titles, mut rest) = (Vec::new(), body);
    loop {
        let [flag, length @ ..] = *rest.first_chunk::<5>().context("no trailers")?;
        let length = u32::from_be_bytes(length) as usize;
        let message = rest.get(5..5 + length).context("cut off")?;
        rest = &rest[5 + length..];
        if flag == 0x80 {
            assert!(rest.is_empty());
            return Ok((titles, String::from_utf8(message.to_vec())?));
        }
        titles.extend(ListBooksResponse::decode(message)?.books.into_iter().map(|book| book.title));
    }
}

#[tokio::test]
async fn grpc_web_over_http1_is_answered() -> Result<()> {
    let stub = library().await?;
    let door = gateway(&stub.target(), |_| {}).await?;
    for content_type in
        ["application/grpc-web", "application/grpc-web+proto", "application/grpc-web; charset=utf-8"]
    {
        let headers = [("content-type", content_type), ("x-grpc-web", "1"), ("x-forwarded-for", "192.0.2.1")];
        let answer = raw::http1(door.address(), "POST", LIST, &headers, &asked("Emma")).await?;
        assert_eq!(answer.status, 200);
        let (titles, trailers) = read(&answer.body)?;
        assert_eq!(titles, ["Emma"]);
        assert!(trailers.contains("grpc-status:0"), "{trailers}");
        assert!(answer.head.contains("x-request-id: "), "{}", answer.head);
        assert!(!stub.last()?.contains_key("x-forwarded-for"));
    }
    Ok(())
}

#[tokio::test]
async fn grpc_web_as_text_is_answered() -> Result<()> {
    let stub = library().await?;
    let door = gateway(&stub.target(), |_| {}).await?;
    let body = BASE64_STANDARD.encode(asked("Persuasion"));
    let headers = [("content-type", "application/grpc-web-text"), ("accept", "application/grpc-web-text")];

    let Http1 { body, .. } = raw::http1(door.address(), "POST", LIST, &headers, body.as_bytes()).await?;

    // Each frame is padded by itself, so there is padding in the middle.
    let mut decoded = Vec::new();
    for four in body.chunks(4) {
        decoded.extend(BASE64_STANDARD.decode(four)?);
    }
    assert_eq!(read(&decoded)?.0, ["Persuasion"]);
    Ok(())
}

#[tokio::test]
async fn a_stop_ends_grpc_web_streams_with_unavailable() -> Result<()> {
    let called = Arc::new(Notify::new());
    let calls = Arc::clone(&called);
    let stub = Stub::start(move |_| {
        let calls = Arc::clone(&calls);
        async move {
            let (frames, response) = stub::stream();
            tokio::spawn(async move { frames.closed().await });
            calls.notify_one();
            response
        }
    })
    .await?;
    let door = gateway(&stub.target(), |_| {}).await?;
    let address = door.address();
    let watching = tokio::spawn(async move {
        let path = "/bookstore.order.v1.OrderService/WatchOrder";
        let headers = [("content-type", "application/grpc-web")];
        raw::http1(address, "POST", path, &headers, &asked("Emma")).await
    });
    called.notified().await;

    door.stop().await?;

    let (_, trailers) = read(&watching.await??.body)?;
    assert!(trailers.contains("grpc-status:14"), "{trailers}");
    Ok(())
}

#[tokio::test]
async fn errors_reach_grpc_web_clients_with_their_details() -> Result<()> {
    let stub = library().await?;
    let door = gateway(&stub.target(), |_| {}).await?;
    let book = Some(get_book_details_request::Book::Isbn("9780141439587".to_owned()));
    let headers = [("content-type", "application/grpc-web")];
    let body = stub::framed(&GetBookDetailsRequest { book });

    let answer = raw::http1(door.address(), "POST", DETAILS, &headers, &body).await?;

    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("grpc-status: 5"), "{}", answer.head);
    assert!(answer.head.contains("grpc-status-details-bin: "), "{}", answer.head);
    Ok(())
}

#[tokio::test]
async fn text_that_is_no_base64_is_the_clients_fault() -> Result<()> {
    let stub = library().await?;
    let door = gateway(&stub.target(), |_| {}).await?;
    let headers = [("content-type", "application/grpc-web-text")];
    let answer = raw::http1(door.address(), "POST", LIST, &headers, b"!!!!!!!!").await?;
    assert!(answer.head.contains("grpc-status: 3"), "{}", answer.head);
    Ok(())
}

#[tokio::test]
async fn grpc_over_http1_is_told_what_it_needs() -> Result<()> {
    let door = gateway("ipv4:127.0.0.1:1", |_| {}).await?;
    let headers = [("content-type", "application/grpc")];
    let answer = raw::http1(door.address(), "POST", LIST, &headers, &asked("Emma")).await?;
    assert_eq!(answer.status, 505);
    assert!(String::from_utf8(answer.body)?.contains("gRPC-Web"));
    Ok(())
}

#[tokio::test]
async fn other_requests_are_told_what_is_here() -> Result<()> {
    let door = gateway("ipv4:127.0.0.1:1", |_| {}).await?;
    let about = raw::http1(door.address(), "GET", "/", &[], b"").await?;
    assert_eq!(about.status, 200);
    assert!(String::from_utf8(about.body)?.contains("bookstore gateway"));

    let nothing =
        raw::http1(door.address(), "GET", "/api/books", &[("x-request-id", "click-1")], b"").await?;
    assert_eq!(nothing.status, 404);
    assert!(nothing.head.contains("content-type: application/json"), "{}", nothing.head);
    assert!(nothing.head.contains("x-request-id: click-1"), "{}", nothing.head);
    assert!(String::from_utf8(nothing.body)?.contains("/api/books"));
    Ok(())
}

#[tokio::test]
async fn pages_of_other_origins_may_call_only_where_that_is_configured() -> Result<()> {
    let stub = library().await?;
    let closed = gateway(&stub.target(), |_| {}).await?;
    let open =
        gateway(&stub.target(), |config| config.cors_origins = "https://shop.example".parse().unwrap())
            .await?;
    let preflight = async |door: &crate::harness::Door, origin| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "content-type,authorization,x-grpc-web"),
        ];
        raw::http1(door.address(), "OPTIONS", LIST, &headers, b"").await
    };

    let allowed = preflight(&open, "https://shop.example").await?;
    assert_eq!(allowed.status, 200);
    assert!(allowed.head.contains("access-control-allow-origin: https://shop.example"), "{}", allowed.head);
    assert!(allowed.head.contains("authorization"), "{}", allowed.head);
    for refused in
        [preflight(&open, "https://other.example").await?, preflight(&closed, "https://shop.example").await?]
    {
        assert!(!refused.head.contains("access-control-allow-origin"), "{}", refused.head);
    }

    let headers = [("content-type", "application/grpc-web"), ("origin", "https://shop.example")];
    let answer = raw::http1(open.address(), "POST", LIST, &headers, &asked("Emma")).await?;
    assert!(answer.head.contains("access-control-allow-origin: https://shop.example"), "{}", answer.head);
    assert!(answer.head.contains("access-control-expose-headers: "), "{}", answer.head);
    assert_eq!(read(&answer.body)?.0, ["Emma"]);
    Ok(())
}
