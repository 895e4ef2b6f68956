//! What became of a file.

use std::{fmt::Write as _, time::Duration};

use proto::inventory::v1::{CatalogueRow, ImportCatalogueResponse, RowReport};
use serde_json::{Value, json};

use super::feed::Fault;
use crate::output::{self, Output};

/// How many are shown of what is told at length elsewhere.
const EXAMPLES: usize = 5;

/// Counts rows by what became of them.
#[derive(Default)]
pub(super) struct Told {
    created: i64,
    updated: i64,
    unchanged: i64,
    rejected: i64,
    left_out: i64,
    notices: usize,
    /// The first rows as they are sent.
    rows: Vec<CatalogueRow>,
    reasons: Vec<String>,
}

impl Told {
    /// Counts a row that isn't sent, and says why as the shop does.
    pub(super) fn fault(&mut self, number: i64, fault: &Fault) -> RowReport {
        let (field, reason) = match fault {
            Fault::LeftOut { column, reason } => {
                self.left_out += 1;
                (column.clone(), reason.clone())
            }
            Fault::Unreadable(reason) => {
                self.rejected += 1;
                (String::new(), reason.clone())
            }
        };
        let report = RowReport { number, field, reason };
        if matches!(fault, Fault::Unreadable(_)) {
            self.reason(&report);
        }
        report
    }

    pub(super) fn answer(&mut self, answer: &ImportCatalogueResponse) {
        self.created += answer.created;
        self.updated += answer.updated;
        self.unchanged += answer.unchanged;
        self.rejected += answer.rejected;
        self.notices += answer.notices.len();
        answer.rejects.iter().for_each(|report| self.reason(report));
    }

    fn reason(&mut self, report: &RowReport) {
        if self.reasons.len() < EXAMPLES {
            let field = if report.field.is_empty() { "" } else { &format!("{}: ", report.field) };
            self.reasons.push(format!("row {}: {field}{}", report.number, report.reason));
        }
    }

    /// Keeps the first rows, to show them.
    pub(super) fn example(&mut self, rows: &[CatalogueRow]) {
        let wanted = EXAMPLES.saturating_sub(self.rows.len());
        self.rows.extend(rows.iter().take(wanted).cloned());
    }

    /// How many rows of the file are done with.
    pub(super) const fn rows(&self) -> i64 {
        self.created + self.updated + self.unchanged + self.rejected + self.left_out
    }

    /// Whether the shop has answered to any.
    pub(super) const fn has_arrived(&self) -> bool {
        self.created + self.updated + self.unchanged > 0
    }

    pub(super) fn print(&self, output: &Output, took: Duration, is_told_at_length: bool) {
        output.value(&self.json(took), &self.text(took, is_told_at_length));
    }

    pub(super) fn print_dry(&self, output: &Output) {
        let rows: Vec<_> = self.rows.iter().map(output::to_json).collect();
        let value = json!({
            "would_send": self.unchanged, "rejected": self.rejected, "left_out": self.left_out, "rows": rows,
        });
        let table = output::table(
            &["ROW", "KEY", "ISBN", "TITLE", "AUTHORS", "YEAR", "LANGUAGE", "PRICE", "STOCK"],
            self.rows.iter().map(|row| {
                vec![
                    row.number.to_string(),
                    row.key.clone(),
                    row.isbn.clone(),
                    row.title.clone(),
                    row.authors.join(", "),
                    row.published_year.clone(),
                    row.language_code.clone(),
                    format!("{} {}", row.price, row.currency_code),
                    row.stock.clone(),
                ]
            }),
        );
        let counts = format!(
            "{} rows would be sent, {} are unreadable, {} left out. Nothing was sent.",
            self.unchanged, self.rejected, self.left_out
        );
        output.value(&value, &format!("{table}\n\n{counts}"));
    }

    fn json(&self, took: Duration) -> Value {
        json!({
            "rows": self.rows(), "created": self.created, "updated": self.updated,
            "unchanged": self.unchanged, "rejected": self.rejected, "left_out": self.left_out,
            "notices": self.notices, "seconds": took.as_secs_f64(),
        })
    }

    fn text(&self, took: Duration, is_told_at_length: bool) -> String {
        let mut text = format!("{} rows in {:.1} s", self.rows(), took.as_secs_f64());
        let counts = [
            (self.created, "new"),
            (self.updated, "changed"),
            (self.unchanged, "as before"),
            (self.rejected, "refused"),
            (self.left_out, "left out"),
        ];
        for (count, what) in counts.into_iter().filter(|(count, _)| *count > 0) {
            let _ = write!(text, "\n  {count:>6} {what}");
        }
        if self.notices > 0 {
            let _ = write!(
                text,
                "\n  {:>6} notices of something that made no sense: see --notices",
                self.notices
            );
        }
        if !is_told_at_length {
            self.reasons.iter().for_each(|reason| {
                let _ = write!(text, "\n{reason}");
            });
            if self.rejected > i64::try_from(self.reasons.len()).unwrap_or(i64::MAX) {
                text.push_str("\nand others: have all of them with --rejects FILE");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(number: i64, field: &str) -> RowReport {
        RowReport { number, field: field.to_owned(), reason: "is no price".to_owned() }
    }

    #[test]
    fn what_became_of_a_file_is_told_in_numbers_and_by_the_first_reasons() {
        let mut told = Told::default();
        told.fault(1, &Fault::LeftOut { column: "kind".to_owned(), reason: "left out".to_owned() });
        told.fault(2, &Fault::Unreadable("it is not in UTF-8".to_owned()));
        let rejects = (3..=8).map(|number| report(number, "price")).collect();
        told.answer(&ImportCatalogueResponse { created: 4, rejected: 6, rejects, ..Default::default() });

        let text = told.text(Duration::from_millis(1250), false);

        assert!(
            text.starts_with("12 rows in 1.2 s\n       4 new\n       7 refused\n       1 left out\n"),
            "{text}"
        );
        assert!(text.contains("\nrow 2: it is not in UTF-8\nrow 3: price: is no price\n"), "{text}");
        assert!(
            text.ends_with("row 6: price: is no price\nand others: have all of them with --rejects FILE"),
            "{text}"
        );
        assert!(!told.text(Duration::ZERO, true).contains("row 3"));
        assert_eq!(told.json(Duration::ZERO)["rows"], 12);
    }
}
