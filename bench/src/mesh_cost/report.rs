//! Medians over the rounds, and each subject beside its bare one of the same round.

use std::fmt::Write as _;

use super::{Facts, load::Sample, subject::Subject};

type Figure = fn(&Sample) -> f64;

/// As Markdown, which reads as well in a terminal.
pub(crate) fn text(facts: &Facts, samples: &[Sample]) -> String {
    let mut text = String::new();
    let _ = write_all(&mut text, facts, samples);
    text
}

fn write_all(text: &mut String, facts: &Facts, samples: &[Sample]) -> std::fmt::Result {
    let telemetry = if facts.telemetry { "with spans and metrics" } else { "without telemetry" };
    writeln!(
        text,
        "{} cores, {} worker threads on either side, {telemetry}; {} rounds of {} s; load before {}, after {}\n",
        facts.cores, facts.workers, facts.rounds, facts.seconds, facts.load_before, facts.load_after,
    )?;
    let mut callers: Vec<_> = samples.iter().map(|sample| sample.callers).collect();
    callers.sort_unstable();
    callers.dedup();

    writeln!(text, "Medians of the rounds; latencies and CPU times in µs:\n")?;
    writeln!(
        text,
        "| callers | subject | calls/s | p50 | p99 | p99.9 | client CPU/call | server CPU/call |"
    )?;
    writeln!(text, "|---:|---|---:|---:|---:|---:|---:|---:|")?;
    for callers in &callers {
        for subject in Subject::ALL {
            let of = |figure: Figure| median(each(samples, subject, *callers).map(figure));
            if each(samples, subject, *callers).next().is_none() {
                continue;
            }
            writeln!(
                text,
                "| {callers} | {} | {:.0} | {:.0} | {:.0} | {:.0} | {:.1} | {:.1} |",
                subject.name(),
                of(|sample| sample.calls_per_second),
                of(|sample| sample.p50),
                of(|sample| sample.p99),
                of(|sample| sample.p999),
                of(|sample| sample.client_cpu),
                of(|sample| sample.server_cpu),
            )?;
        }
    }

    writeln!(text, "\nBeside a bare channel in the same round, median (least to most):\n")?;
    writeln!(
        text,
        "| callers | subject | calls/s × | p50 × | p99 × | client CPU × | client CPU added, µs/call |"
    )?;
    writeln!(text, "|---:|---|---:|---:|---:|---:|---:|")?;
    for callers in &callers {
        for subject in Subject::ALL {
            let pairs = pairs(samples, subject, *callers);
            if pairs.is_empty() {
                continue;
            }
            let times = |figure: Figure| spread(pairs.iter().map(|(it, bare)| figure(it) / figure(bare)), 2);
            writeln!(
                text,
                "| {callers} | {} | {} | {} | {} | {} | {} |",
                subject.name(),
                times(|sample| sample.calls_per_second),
                times(|sample| sample.p50),
                times(|sample| sample.p99),
                times(|sample| sample.client_cpu),
                spread(pairs.iter().map(|(it, bare)| it.client_cpu - bare.client_cpu), 1),
            )?;
        }
    }
    Ok(())
}

fn each(samples: &[Sample], subject: Subject, callers: usize) -> impl Iterator<Item = &Sample> {
    samples.iter().filter(move |sample| sample.subject == subject && sample.callers == callers)
}

fn pairs(samples: &[Sample], subject: Subject, callers: usize) -> Vec<(&Sample, &Sample)> {
    let Some(bare) = subject.bare() else { return Vec::new() };
    let partner = |sample: &Sample| each(samples, bare, callers).find(|bare| bare.round == sample.round);
    each(samples, subject, callers).filter_map(|sample| Some((sample, partner(sample)?))).collect()
}

fn spread(figures: impl Iterator<Item = f64>, digits: usize) -> String {
    let figures = sorted(figures);
    let (least, most) = (figures.first().copied(), figures.last().copied());
    let (least, most) = (least.unwrap_or(f64::NAN), most.unwrap_or(f64::NAN));
    format!("{:.digits$} ({least:.digits$} to {most:.digits$})", middle(&figures))
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    middle(&sorted(figures))
}

fn sorted(figures: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut figures: Vec<_> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures
}

fn middle(sorted: &[f64]) -> f64 {
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[odd / 2],
        even => f64::midpoint(sorted[even / 2 - 1], sorted[even / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(subject: Subject, round: u64, client_cpu: f64) -> Sample {
        let figure = 10.0;
        Sample {
            subject,
            round,
            callers: 1,
            calls: 10,
            calls_per_second: figure,
            p50: figure,
            p99: figure,
            p999: figure,
            client_cpu,
            server_cpu: figure,
        }
    }

    #[test]
    fn pairs_are_of_one_round() {
        let samples = [
            sample(Subject::BareMtls, 0, 10.0),
            sample(Subject::MeshMtls, 1, 60.0),
            sample(Subject::MeshMtls, 0, 15.0),
            sample(Subject::BareMtls, 1, 30.0),
            sample(Subject::BarePlaintext, 0, 1.0),
        ];
        let ratios: Vec<_> = pairs(&samples, Subject::MeshMtls, 1)
            .into_iter()
            .map(|(mesh, bare)| mesh.client_cpu / bare.client_cpu)
            .collect();
        assert_eq!(spread(ratios.into_iter(), 2), "1.75 (1.50 to 2.00)");
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(spread([3.0, 1.0, 2.0].into_iter(), 1), "2.0 (1.0 to 3.0)");
    }
}
