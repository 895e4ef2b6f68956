use std::fmt::Write as _;

use super::{
    Facts,
    load::{Pace, Sample},
    reference::Reference,
};

/// As Markdown, which reads as well in a terminal.
pub(super) fn text(facts: &Facts, samples: &[Sample], references: &[Reference]) -> String {
    let mut text = String::new();
    let _ = write_all(&mut text, facts, samples, references);
    text
}

fn write_all(
    text: &mut String,
    facts: &Facts,
    samples: &[Sample],
    references: &[Reference],
) -> std::fmt::Result {
    writeln!(
        text,
        "{} cores for everything, the load generator included; {} books, {} customers, {} s a row; load before {}, after {}\n",
        facts.cores, facts.books, facts.customers, facts.seconds, facts.load_before, facts.load_after,
    )?;
    writeln!(
        text,
        "| load | order | CONFIRMED/s | pgbench/s | × | place p50 / p99 / p99.9 ms | CONFIRMED p50 / p99 / p99.9 ms |"
    )?;
    writeln!(text, "|---|---|---:|---:|---:|---:|---:|")?;
    for sample in samples {
        let reference = beside(sample, references);
        let (rate, times) = reference.map_or_else(Default::default, |rate| {
            (format!("{rate:.0}"), format!("{:.2}", sample.confirmed_per_second / rate))
        });
        let [place, confirm] =
            [sample.place, sample.confirm].map(|of| [of.p50, of.p99, of.p999].map(milliseconds).join(" / "));
        writeln!(
            text,
            "| {} | {} | {:.0} | {rate} | {times} | {place} | {confirm} |",
            sample.pace, sample.order, sample.confirmed_per_second,
        )?;
    }

    writeln!(text, "\nCPU an order in µs, statements and transactions an order, resident memory in MiB:\n")?;
    let Some(first) = samples.first() else { return Ok(()) };
    let names: Vec<&str> = first.cpu.iter().map(|(name, _)| name.as_str()).collect();
    writeln!(text, "| load | order | {} | statements | transactions |", names.join(" | "))?;
    writeln!(text, "|---|---|{}---:|---:|", "---:|".repeat(names.len()))?;
    for sample in samples {
        let cpu: Vec<String> = sample.cpu.iter().map(|(_, cpu)| format!("{cpu:.0}")).collect();
        let statements = sample.statements_per_order.map_or_else(String::new, |count| format!("{count:.2}"));
        writeln!(
            text,
            "| {} | {} | {} | {statements} | {:.2} |",
            sample.pace,
            sample.order,
            cpu.join(" | "),
            sample.transactions_per_order,
        )?;
    }
    if let Some(last) = samples.last() {
        let memory = last.memory.iter().map(|(name, bytes)| format!("{name} {}", bytes / (1 << 20)));
        writeln!(text, "\nMemory after the last row, MiB: {}", memory.collect::<Vec<_>>().join(", "))?;
    }
    Ok(())
}

/// What pgbench did with as many clients and the same order.
fn beside(sample: &Sample, references: &[Reference]) -> Option<f64> {
    let Pace::Closed { callers } = sample.pace else { return None };
    let same = |reference: &&Reference| {
        reference.clients == callers
            && reference.order.lines == sample.order.lines
            && reference.order.hot == sample.order.hot
    };
    references.iter().find(same)?.orders_per_second
}

#[expect(clippy::cast_precision_loss, reason = "nobody waits 2^52 µs")]
fn milliseconds(microseconds: u64) -> String {
    format!("{:.1}", microseconds as f64 / 1e3)
}
