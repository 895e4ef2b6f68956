//! How calls are called in traces and metrics.

use anyhow::{Context as _, Result};
use testkit::{Collector, eventually};
use tonic::Code;

use crate::{
    raw::{self, GET_ORDER},
    shop::{self, SOON},
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// The only test that sets up telemetry, which is the whole process's.
#[tokio::test(flavor = "multi_thread")]
async fn callers_cannot_make_up_names_of_methods() -> Result<()> {
    let collector = Collector::start().await?;
    let telemetry = telemetry::init(telemetry::Config {
        service: "shop",
        filter: "off".to_owned(),
        otlp_endpoint: Some(collector.endpoint()),
        sampling: telemetry::Sampling::default(),
        json: true,
    })?;
    let shop = shop::start().await?;
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");

    for refused in [("authorization", "Bearer wrong"), ("grpc-timeout", "soon"), ("x-nothing", "wrong")] {
        raw::call(&shop, "/made.up/Method", &[refused, ("traceparent", &parent)], Vec::new()).await?;
    }
    let wrong_token = [("authorization", "Bearer wrong"), ("traceparent", &*parent)];
    let status = raw::call(&shop, GET_ORDER, &wrong_token, Vec::new()).await?;
    assert_eq!(status.code(), Code::Unauthenticated);

    let names = eventually("the spans", SOON, async || {
        let spans = collector.spans().into_iter().filter(|span| span.trace_id == TRACE);
        let mut names: Vec<_> = spans.map(|span| span.name).collect();
        names.sort_unstable();
        (names.len() >= 4).then_some(names)
    })
    .await?;
    let known = GET_ORDER.strip_prefix('/').context("no path")?;
    assert_eq!(names, ["_OTHER", "_OTHER", "_OTHER", known]);

    tokio::task::spawn_blocking(move || telemetry.shutdown()).await?;
    shop.stopped().await
}
