//! Readers of bytes that are nobody's business but this service's, and the fuzzer's.

use proto::inventory::v1::{CatalogueRow, RowReport};

use crate::domain::{Entry, RawRow};

/// What a feed's row says, written as a feed would that has nothing wrong with it; and what was left out.
///
/// # Errors
/// What spoils the row.
pub fn judge(row: CatalogueRow) -> Result<(CatalogueRow, Vec<RowReport>), RowReport> {
    let mut entry = RawRow::from(row).judge()?;
    let notices = std::mem::take(&mut entry.notices).into_iter().map(RowReport::from).collect();
    Ok((written(entry), notices))
}

fn written(entry: Entry) -> CatalogueRow {
    let price = entry.price.to_string();
    let (amount, currency) = price.split_once(' ').unwrap_or_default();
    // A feed's amounts have two decimals, some currencies three.
    let amount =
        if amount.contains('.') { amount.trim_end_matches('0').trim_end_matches('.') } else { amount };
    CatalogueRow {
        number: entry.number,
        key: entry.key.unwrap_or_default(),
        isbn: entry.isbn.map(|isbn| isbn.to_string()).unwrap_or_default(),
        title: entry.title,
        authors: entry.authors.names().to_vec(),
        publisher: entry.publisher,
        published_year: match entry.published_year.get() {
            0 => String::new(),
            year => year.to_string(),
        },
        language_code: entry.language_code.as_str().to_owned(),
        description: entry.description.as_str().to_owned(),
        categories: entry.categories.names().into_iter().map(str::to_owned).collect(),
        price: amount.to_owned(),
        currency_code: currency.to_owned(),
        stock: entry.stock.map(|stock| stock.to_string()).unwrap_or_default(),
    }
}
