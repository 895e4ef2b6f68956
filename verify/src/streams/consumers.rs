use anyhow::{Context as _, Result};
use futures::TryStreamExt as _;

use super::Named;
use crate::{Check, Report, events::consumers::CONSUMERS};

/// Each consumer is there, and none stands ahead of its stream, where it would skip what comes.
///
/// The consumers are asked first: a stream that grows meanwhile makes none look as if it were ahead.
pub(super) async fn look(stream: &Named, report: &mut Report) -> Result<()> {
    let (service, name) = (stream.service, stream.name);
    let there: Vec<_> =
        stream.stream.consumers().try_collect().await.with_context(|| format!("the consumers of {name}"))?;
    let last = stream.state().await?.last_sequence;
    let expected = || CONSUMERS.iter().filter(|consumer| consumer.publisher == service);
    report.looked(Check::Consumers, expected().count());
    for consumer in expected() {
        if !there.iter().any(|info| info.name == consumer.name) {
            report.violation(Check::Consumers, consumer.name, format!("is not at {name}"));
        }
    }
    for info in there.iter().filter(|info| info.config.durable_name.is_some()) {
        let position = info.delivered.stream_sequence;
        if position > last {
            let wrong = format!("stands at {position} of {name}, which ends at {last}");
            report.violation(Check::Consumers, &info.name, wrong);
        }
        if !expected().any(|consumer| consumer.name == info.name) {
            report.remark(format!("{name}: {} is a consumer that is not known here", info.name));
        }
    }
    Ok(())
}
