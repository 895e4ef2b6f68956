//! Sending rows to the shop.

use futures::stream;
use prost::Message as _;
use proto::inventory::v1::{
    CatalogueRow, CatalogueRows, ImportCatalogueRequest, ImportCatalogueResponse, ImportTarget, RowReport,
    import_catalogue_request::Piece,
};

use crate::{failure::Failure, gateway::Gateway, session::Session};

/// Of the rows in a message: a service reads none above 256 KiB, and what is around the rows counts, too.
const MESSAGE: usize = 192 << 10;
/// Of a row, which must fit into a message; none that is worth reading is as long.
const LONGEST_ROW: usize = 128 << 10;

/// Where rows go.
pub(super) struct Target<'a> {
    pub(super) at: &'a Gateway,
    pub(super) session: &'a Session<'a>,
    pub(super) shop_id: String,
    pub(super) location_id: String,
    /// The same in every call, so that two rows for one book are noticed however far apart they are.
    pub(super) import_id: String,
}

impl Target<'_> {
    /// Sends the rows in one call. Rows that no message could hold are refused here.
    pub(super) async fn send(&self, rows: Vec<CatalogueRow>) -> Result<ImportCatalogueResponse, Failure> {
        let (rows, too_long) = fitting(rows);
        let mut answer = if rows.is_empty() {
            ImportCatalogueResponse::default()
        } else {
            let pieces = self.pieces(rows);
            let inventory = self.at.inventory().await?;
            self.session
                .change_again(async || {
                    let pieces = self.session.sign(stream::iter(pieces.clone()));
                    inventory.clone().import_catalogue(pieces).await
                })
                .await?
        };
        answer.rejected += i64::try_from(too_long.len()).unwrap_or(i64::MAX);
        answer.rejects.extend(too_long);
        Ok(answer)
    }

    /// The messages of a call.
    fn pieces(&self, rows: Vec<CatalogueRow>) -> Vec<ImportCatalogueRequest> {
        let target = ImportTarget {
            shop_id: self.shop_id.clone(),
            location_id: self.location_id.clone(),
            import_id: self.import_id.clone(),
        };
        let rows = messages(rows).into_iter().map(|rows| Piece::Rows(CatalogueRows { rows }));
        let pieces = [Piece::Target(target)].into_iter().chain(rows);
        pieces.map(|piece| ImportCatalogueRequest { piece: Some(piece) }).collect()
    }
}

/// What a shop would say that takes everything and knows all of it.
pub(super) fn nothing(rows: &[CatalogueRow]) -> ImportCatalogueResponse {
    let unchanged = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    ImportCatalogueResponse { unchanged, ..ImportCatalogueResponse::default() }
}

fn fitting(rows: Vec<CatalogueRow>) -> (Vec<CatalogueRow>, Vec<RowReport>) {
    let (rows, too_long): (Vec<_>, Vec<_>) =
        rows.into_iter().partition(|row| row.encoded_len() <= LONGEST_ROW);
    let reason = format!("it is longer than {LONGEST_ROW} bytes");
    let reports = too_long.into_iter().map(|row| RowReport {
        number: row.number,
        field: String::new(),
        reason: reason.clone(),
    });
    (rows, reports.collect())
}

fn messages(rows: Vec<CatalogueRow>) -> Vec<Vec<CatalogueRow>> {
    let mut messages = Vec::new();
    let mut length = MESSAGE;
    for row in rows {
        length += row.encoded_len();
        match messages.last_mut() {
            Some(last) if length <= MESSAGE => Vec::push(last, row),
            _ => {
                length = row.encoded_len();
                messages.push(vec![row]);
            }
        }
    }
    messages
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(number: i64, length: usize) -> CatalogueRow {
        CatalogueRow { number, description: "a".repeat(length), ..CatalogueRow::default() }
    }

    /// What a service reads of a message.
    const READ: usize = 256 << 10;

    fn length(rows: &[CatalogueRow]) -> usize {
        let rows = CatalogueRows { rows: rows.to_vec() };
        ImportCatalogueRequest { piece: Some(Piece::Rows(rows)) }.encoded_len()
    }

    #[test]
    fn no_message_is_too_long_and_no_row_is_lost() {
        for (of_a_row, in_all) in [(30_000, 5), (1, 1)] {
            let messages = messages((1..=30).map(|number| row(number, of_a_row)).collect());

            let numbers: Vec<_> = messages.iter().flatten().map(|row| row.number).collect();
            assert_eq!(numbers, (1..=30).collect::<Vec<_>>());
            assert!(messages.iter().all(|rows| length(rows) <= READ));
            assert_eq!(messages.len(), in_all);
        }
    }

    #[test]
    fn the_longest_row_fits_into_a_message() {
        let (rows, _) = fitting((1..=3).map(|number| row(number, LONGEST_ROW - 10)).collect());

        let messages = messages(rows);

        assert_eq!(messages.len(), 3);
        assert!(messages.iter().all(|rows| length(rows) <= READ));
    }

    #[test]
    fn a_row_that_no_message_could_hold_is_refused() {
        let (rows, refused) = fitting(vec![row(1, 10), row(2, LONGEST_ROW), row(3, 10)]);

        assert_eq!(rows.iter().map(|row| row.number).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(refused.iter().map(|report| report.number).collect::<Vec<_>>(), [2]);
    }
}
