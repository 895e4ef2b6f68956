use std::fmt::Write as _;

use super::{
    Record, Turn,
    load::{Order, Pace},
    percentiles::Percentiles,
    sample::Sample,
};

/// How many statements are shown of a load.
const STATEMENTS: usize = 15;

/// As Markdown, which reads as well in a terminal. Of each load's turns the medians.
pub(super) fn text(record: &Record, with_statements: bool) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write_all(&mut text, record, with_statements);
    text
}

/// The turns of one load with the same programs.
struct Row<'a> {
    pace: Pace,
    order: Order,
    is_baseline: bool,
    samples: Vec<(usize, &'a Sample)>,
}

impl Row<'_> {
    fn median(&self, figure: impl Fn(&Sample) -> f64) -> f64 {
        median(self.samples.iter().map(|(_, sample)| figure(sample)).collect())
    }

    fn named(&self) -> String {
        let programs = if self.is_baseline { " (baseline)" } else { "" };
        format!("{}{programs} | {}", self.pace, self.order)
    }

    fn cpu(&self, process: &str) -> f64 {
        self.median(|sample| sample.cpu.iter().filter(|(name, _)| name == process).map(|(_, cpu)| cpu).sum())
    }
}

fn rows(record: &Record) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    for Turn { round, is_baseline, sample } in &record.turns {
        let same = |row: &&mut Row<'_>| {
            row.pace == sample.pace && row.order == sample.order && row.is_baseline == *is_baseline
        };
        if let Some(row) = rows.iter_mut().find(same) {
            row.samples.push((*round, sample));
        } else {
            let samples = vec![(*round, sample)];
            rows.push(Row { pace: sample.pace, order: sample.order, is_baseline: *is_baseline, samples });
        }
    }
    rows
}

fn write_all(text: &mut String, record: &Record, with_statements: bool) -> std::fmt::Result {
    let facts = &record.facts;
    let settings: Vec<String> =
        facts.settings.iter().map(|(name, value)| format!(", {name}={value}")).collect();
    writeln!(
        text,
        "{} cores for everything, the load generator included; {} books, {} customers; medians of {} turns of {} s; \
         load before {}, after {}; Postgres as `cargo xtask up` starts it{}\n",
        facts.cores,
        facts.books,
        facts.customers,
        facts.rounds,
        facts.seconds,
        facts.load_before,
        facts.load_after,
        settings.concat(),
    )?;
    let rows = rows(record);
    speeds(text, record, &rows)?;
    costs(text, &rows)?;
    pairs(text, &rows)?;
    memory(text, record)?;
    if with_statements {
        statements(text, &rows)?;
    }
    Ok(())
}

fn speeds(text: &mut String, record: &Record, rows: &[Row<'_>]) -> std::fmt::Result {
    writeln!(
        text,
        "| load | order | CONFIRMED/s | × pgbench's best | place p50 / p99 / p99.9 ms | CONFIRMED p50 / p99 / p99.9 ms | held back |"
    )?;
    writeln!(text, "|---|---|---:|---:|---:|---:|---:|")?;
    for row in rows {
        let rate = row.median(|sample| sample.confirmed_per_second);
        let best = best(record, row.order);
        let times = best.map_or_else(String::new, |(_, best)| format!("{:.2}", rate / best));
        let place = latencies(row, |sample| sample.place_corrected);
        let confirm = latencies(row, |sample| sample.confirm_corrected);
        let held_back = row.median(|sample| sample.held_back) * 100.0;
        writeln!(text, "| {} | {rate:.0} | {times} | {place} | {confirm} | {held_back:.0} % |", row.named())?;
    }
    writeln!(text)?;
    let mut orders: Vec<Order> = Vec::new();
    for row in rows {
        if !orders.contains(&row.order) {
            orders.push(row.order);
        }
    }
    for order in orders {
        let rates = by_clients(record, order);
        let rates = rates.iter().map(|(clients, rate)| format!("{rate:.0} with {clients} clients"));
        writeln!(text, "pgbench, {order}, orders/s: {}", rates.collect::<Vec<_>>().join(", "))?;
    }
    Ok(())
}

fn latencies(row: &Row<'_>, of: impl Fn(&Sample) -> Percentiles) -> String {
    #[expect(clippy::cast_precision_loss, reason = "nobody waits 2^52 µs")]
    let milliseconds = |figure: fn(Percentiles) -> u64| {
        format!("{:.1}", row.median(|sample| figure(of(sample)) as f64) / 1e3)
    };
    [milliseconds(|of| of.p50), milliseconds(|of| of.p99), milliseconds(|of| of.p999)].join(" / ")
}

fn costs(text: &mut String, rows: &[Row<'_>]) -> std::fmt::Result {
    let Some(names) = rows.first().and_then(|row| row.samples.first()) else { return Ok(()) };
    let names: Vec<&str> = names.1.cpu.iter().map(|(name, _)| name.as_str()).collect();
    writeln!(text, "\nCPU an order in µs, and what the databases did for an order:\n")?;
    writeln!(
        text,
        "| load | order | {} | all but generator | round trips | statements | transactions | WAL, bytes | WAL syncs |",
        names.join(" | ")
    )?;
    writeln!(text, "|---|---|{}---:|---:|---:|---:|---:|---:|", "---:|".repeat(names.len()))?;
    for row in rows {
        let cpu: Vec<f64> = names.iter().map(|name| row.cpu(name)).collect();
        let shop: f64 =
            names.iter().zip(&cpu).filter(|(name, _)| **name != "generator").map(|(_, cpu)| cpu).sum();
        let counted = |count: f64| if count > 0.0 { format!("{count:.2}") } else { String::new() };
        writeln!(
            text,
            "| {} | {} | {shop:.0} | {} | {} | {:.2} | {:.0} | {:.3} |",
            row.named(),
            cpu.iter().map(|cpu| format!("{cpu:.0}")).collect::<Vec<_>>().join(" | "),
            counted(row.median(|sample| sample.work.round_trips.unwrap_or(0.0))),
            counted(row.median(|sample| sample.work.statements.unwrap_or(0.0))),
            row.median(|sample| sample.work.transactions),
            row.median(|sample| sample.work.wal_bytes),
            row.median(|sample| sample.work.syncs),
        )?;
    }
    Ok(())
}

/// Each load beside the same one with the programs that are compared with, round by round.
fn pairs(text: &mut String, rows: &[Row<'_>]) -> std::fmt::Result {
    if !rows.iter().any(|row| row.is_baseline) {
        return Ok(());
    }
    writeln!(text, "\nBeside the baseline in the same round, median (least to most):\n")?;
    writeln!(text, "| load | order | CONFIRMED/s × | place p50 × | CONFIRMED p50 × | CPU an order × |")?;
    writeln!(text, "|---|---|---:|---:|---:|---:|")?;
    for row in rows.iter().filter(|row| !row.is_baseline) {
        let same = |other: &&Row<'_>| other.is_baseline && other.pace == row.pace && other.order == row.order;
        let Some(baseline) = rows.iter().find(same) else { continue };
        let ratio = |figure: &dyn Fn(&Sample) -> f64| {
            let mut ratios: Vec<f64> = row
                .samples
                .iter()
                .filter_map(|(round, sample)| {
                    let (_, other) = baseline.samples.iter().find(|(other, _)| other == round)?;
                    Some(figure(sample) / figure(other))
                })
                .collect();
            ratios.sort_by(f64::total_cmp);
            let (least, most) = (ratios.first().copied(), ratios.last().copied());
            let (least, most) = (least.unwrap_or(f64::NAN), most.unwrap_or(f64::NAN));
            format!("{:.2} ({least:.2} to {most:.2})", median(ratios))
        };
        #[expect(clippy::cast_precision_loss, reason = "nobody waits 2^52 µs")]
        let (place, confirm) =
            (ratio(&|sample| sample.place.p50 as f64), ratio(&|sample| sample.confirm.p50 as f64));
        let cpu = |sample: &Sample| -> f64 {
            sample.cpu.iter().filter(|(name, _)| name != "generator").map(|(_, cpu)| cpu).sum()
        };
        let (rate, cpu) = (ratio(&|sample| sample.confirmed_per_second), ratio(&cpu));
        writeln!(text, "| {} | {rate} | {place} | {confirm} | {cpu} |", row.named())?;
    }
    Ok(())
}

fn memory(text: &mut String, record: &Record) -> std::fmt::Result {
    writeln!(text, "\nResident memory in MiB, before the first call and after the last load:\n")?;
    for stand in &record.stands {
        let told =
            stand.idle.iter().zip(&stand.after).map(|((name, idle), (_, after))| {
                format!("{name} {} → {}", idle / (1 << 20), after / (1 << 20))
            });
        let told = told.collect::<Vec<_>>().join(", ");
        writeln!(text, "- {}: {told}; {} orders verified", stand.programs.display(), stand.verified)?;
    }
    Ok(())
}

fn statements(text: &mut String, rows: &[Row<'_>]) -> std::fmt::Result {
    for row in rows {
        let Some((_, last)) = row.samples.last() else { continue };
        writeln!(text, "\n{}, the last turn's statements:\n", row.named())?;
        writeln!(text, "| µs/order | calls/order | rows/order | service | statement |")?;
        writeln!(text, "|---:|---:|---:|---|---|")?;
        for statement in last.work.by_statement.iter().take(STATEMENTS) {
            let words: String = statement.statement.replace('|', "\\|").chars().take(160).collect();
            writeln!(
                text,
                "| {:.1} | {:.3} | {:.2} | {} | {words} |",
                statement.microseconds, statement.calls, statement.rows, statement.service
            )?;
        }
    }
    Ok(())
}

/// What pgbench did with the same order and each number of clients.
fn by_clients(record: &Record, order: Order) -> Vec<(usize, f64)> {
    let same = || record.references.iter().filter(|reference| reference.order == order);
    let mut clients: Vec<usize> = same().map(|reference| reference.clients).collect();
    clients.sort_unstable();
    clients.dedup();
    clients
        .into_iter()
        .map(|clients| {
            let rates = same().filter(|reference| reference.clients == clients);
            (clients, median(rates.filter_map(|reference| reference.orders_per_second).collect()))
        })
        .filter(|(_, rate)| rate.is_finite())
        .collect()
}

fn best(record: &Record, order: Order) -> Option<(usize, f64)> {
    by_clients(record, order).into_iter().max_by(|(_, one), (_, other)| one.total_cmp(other))
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    match (figures.len(), figures.len() / 2) {
        (0, _) => f64::NAN,
        (length, middle) if length % 2 == 0 => f64::midpoint(figures[middle - 1], figures[middle]),
        (_, middle) => figures[middle],
    }
}
