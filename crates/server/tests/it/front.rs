//! A process without database and broker, in front of the services.

use std::{
    convert::Infallible,
    sync::{Arc, LazyLock},
};

use anyhow::Result;
use http::{Request, Response};
use hyper::body::Incoming;
use server::{BuildError, Front, FrontContext, FrontService, config::Base};
use testkit::eventually;
use tokio::{net::TcpStream, sync::Notify};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status, body::Body};
use tower::service_fn;

use crate::{raw, shop::SOON};

#[derive(clap::Parser)]
struct DoorConfig {
    #[command(flatten)]
    base: Base,
}

impl AsRef<Base> for DoorConfig {
    fn as_ref(&self) -> &Base {
        &self.base
    }
}

/// Answers slowly where asked to.
struct Door;

static BEGUN: LazyLock<Arc<Notify>> = LazyLock::new(Arc::default);
static FINISH: LazyLock<CancellationToken> = LazyLock::new(CancellationToken::new);

#[tonic::async_trait]
impl Front for Door {
    const NAME: &'static str = "door";
    const PORT: u16 = 50060;
    type Config = DoorConfig;

    fn asked_traces(_: &DoorConfig) -> u32 {
        0
    }

    async fn build(_: DoorConfig, context: &FrontContext) -> Result<FrontService, BuildError> {
        let stop = context.stop.clone();
        let answers = service_fn(async |request: Request<Incoming>| {
            let answer = match request.uri().path() {
                "/slow" => {
                    BEGUN.notify_one();
                    FINISH.cancelled().await;
                    Response::new(Body::new("at last".to_owned()))
                }
                "/grpc" => Status::aborted("as asked").into_http(),
                _ => Response::new(Body::new("at once".to_owned())),
            };
            Ok::<_, Infallible>(answer)
        });
        Ok(FrontService::new(answers).task("a sweeper", async move { stop.cancelled().await }))
    }
}

#[tokio::test]
async fn a_front_answers_both_kinds_of_http_in_plaintext_and_drains() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let door =
        testkit::running_front::<Door>(DoorConfig { base: testkit::base::<Door>(folder.path())? }).await?;
    let (address, admin) = (door.address, door.admin);

    let (first, body) = raw::get(address, "/").await?;
    assert_eq!((first.as_str(), body.as_str()), ("HTTP/1.1 200 OK", "at once"));
    let status = raw::ended(TcpStream::connect(address).await?, "/grpc", &[], Body::empty()).await?;
    assert_eq!(status.code(), Code::Aborted);
    assert!(raw::get(admin, "/version").await?.1.contains(r#""service":"door""#));

    let slow = tokio::spawn(async move { raw::get(address, "/slow").await });
    BEGUN.notified().await;
    let stopped = tokio::spawn(door.stop());
    eventually("no more connections", SOON, async || TcpStream::connect(address).await.err().map(drop))
        .await?;
    assert!(!stopped.is_finished(), "stopped while a request was under way");
    FINISH.cancel();
    assert_eq!(slow.await??.1, "at last");
    stopped.await?
}
