use std::collections::BTreeSet;

use anyhow::Result;

use crate::{
    Access, Report, Scope, Violation, agreement, announcements, books::Books, deliveries, events, ledger,
    members, stock, strangers, streams, stuck,
};

/// Told what is being looked at, every now and then.
pub(crate) type Progress<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// What compares two services, which are never read in one moment.
#[derive(Clone, Copy)]
enum Comparison {
    Inboxes,
    Members,
    Streams,
    Strangers,
    Deliveries,
}

const COMPARISONS: [Comparison; 5] = [
    Comparison::Inboxes,
    Comparison::Members,
    Comparison::Streams,
    Comparison::Strangers,
    Comparison::Deliveries,
];

/// Looks at a shop.
///
/// # Errors
/// Something could not be looked at.
pub async fn look(access: &Access, scope: &Scope, progress: Progress<'_>) -> Result<Report> {
    let mut books = Books::open(access).await?;
    let mut report = Report::default();
    progress("stock");
    stock::look(&mut books, &mut report).await?;
    progress("ledger");
    ledger::look(&mut books, &mut report).await?;
    events::dead_letters(&mut books, &mut report).await?;
    let suspects = agreement::look(&mut books, scope, &mut report, progress).await?;
    stuck::look(&mut books, scope, &mut report).await?;
    let mut doubtful = Vec::new();
    if scope.everything {
        events::outboxes(&mut books, scope, &mut report).await?;
        announcements::look(&mut books, &mut report, progress).await?;
        for comparison in COMPARISONS {
            let found = compare(comparison, access, &mut books, scope, progress).await?;
            if found.count() == 0 || scope.grace.is_zero() {
                report.merge(found);
            } else {
                doubtful.push((comparison, found));
            }
        }
    }
    if scope.grace.is_zero() {
        suspects.report(&mut report);
    } else if !suspects.is_empty() || !doubtful.is_empty() {
        progress("a second look at what may have been under way");
        tokio::time::sleep(scope.grace).await;
        agreement::look_again(&mut books, scope, suspects, &mut report).await?;
        for (comparison, found) in doubtful {
            let again = compare(comparison, access, &mut books, scope, progress).await?;
            report.merge(found.confirmed_by(&again));
        }
    }
    books.close().await?;
    Ok(report)
}

async fn compare(
    comparison: Comparison,
    access: &Access,
    books: &mut Books,
    scope: &Scope,
    progress: Progress<'_>,
) -> Result<Report> {
    let mut found = Report::default();
    match comparison {
        Comparison::Inboxes => events::inboxes::look(books, scope, &mut found, progress).await?,
        Comparison::Members => members::look(books, &mut found).await?,
        Comparison::Streams => streams::look(access, books, &mut found, progress).await?,
        Comparison::Strangers => strangers::look(books, &mut found, progress).await?,
        Comparison::Deliveries => deliveries::look(books, &mut found).await?,
    }
    Ok(found)
}

impl Report {
    fn merge(&mut self, other: Self) {
        for (check, count) in &other.looked_at {
            self.looked(*check, *count);
        }
        for (check, count) in &other.found {
            let kept = other.violations.iter().filter(|violation| violation.check == *check).count() as u64;
            *self.found.entry(*check).or_default() += count.saturating_sub(kept);
        }
        for violation in other.violations {
            self.add(violation);
        }
        self.remarks.extend(other.remarks);
    }

    /// What is wrong both times.
    fn confirmed_by(mut self, again: &Self) -> Self {
        let still: BTreeSet<&Violation> = again.violations.iter().collect();
        let violations = std::mem::take(&mut self.violations);
        self.found.clear();
        for violation in violations.into_iter().filter(|violation| still.contains(violation)) {
            self.add(violation);
        }
        self
    }
}
