//! Where a batch stands in its callers' traces.

use anyhow::{Context as _, Result};
use batch::{Batcher, Limits};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use tracing::Instrument;
use tracing_subscriber::layer::SubscriberExt;

use crate::scripted::{Scripted, answers};

#[tokio::test]
async fn a_batch_is_a_child_of_its_first_caller_and_linked_to_the_others() -> Result<()> {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let subscriber = tracing_subscriber::registry()
        .with(tracing_opentelemetry::layer().with_tracer(provider.tracer("test")));
    // While there is one subscriber only, tracing asks other tests' threads whether anybody listens, and remembers the no.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    // Worker and callers share this test's one thread.
    let guard = tracing::subscriber::set_default(subscriber);
    two_calls_in_one_batch().await?;
    let mut spans = exporter.get_finished_spans()?;
    // The callers have their answers a few steps before the worker has ended the batch.
    for _ in 0..1_000 {
        if spans.len() == 3 {
            break;
        }
        tokio::task::yield_now().await;
        spans = exporter.get_finished_spans()?;
    }
    drop(guard);

    let named = |name: &str| {
        spans.iter().find(|span| span.name == name).with_context(|| format!("no span {name} in {spans:?}"))
    };
    let (batch, first, second) = (named("batch orders")?, named("first")?, named("second")?);
    assert_eq!(batch.parent_span_id, first.span_context.span_id());
    assert_eq!(batch.span_context.trace_id(), first.span_context.trace_id());
    let links: Vec<_> = batch.links.iter().map(|link| &link.span_context).collect();
    assert_eq!(links, [&second.span_context]);
    Ok(())
}

async fn two_calls_in_one_batch() -> Result<()> {
    let (step, mut runs) = Scripted::new();
    let batcher = Batcher::spawn("orders", step, Limits::default());
    let calls = async {
        tokio::try_join!(
            batcher.submit(1).instrument(tracing::info_span!("first")),
            batcher.submit(2).instrument(tracing::info_span!("second")),
        )
    };
    let script = async {
        let run = runs.next().await?;
        assert_eq!(run.items, [1, 2]);
        run.finish(Ok(answers(&[1, 2])));
        anyhow::Ok(())
    };
    let (outcomes, script) = tokio::join!(calls, script);
    script?;
    assert_eq!(outcomes?, (10, 20));
    Ok(())
}
