//! Rows of feeds, as shops send them.

use inventory::fuzzing::judge;
use prost::Message as _;
use proto::inventory::v1::CatalogueRow;

use crate::Target;

pub(super) const TARGET: Target = Target {
    name: "feed-rows",
    about: "rows of a shop's feed",
    longest: 100_000,
    run,
    examples: || {
        let dune = CatalogueRow {
            number: 7,
            key: "goodbooks:7".into(),
            isbn: "441172717".into(),
            title: "Dune  (Dune\n#1)".into(),
            authors: vec!["Frank Herbert".into(), " ".into()],
            publisher: "Ace\tBooks".into(),
            published_year: "1965.0".into(),
            language_code: "eng".into(),
            description: "A duke's son.\n\nOn a desert planet.".into(),
            categories: vec!["Science-Fiction & Fantasy".into(), "Écrivains célèbres".into()],
            price: "10,95".into(),
            currency_code: "eur ".into(),
            stock: "12.0".into(),
        };
        let mut odd = dune.clone();
        odd.isbn = "9.78043902348e+12".into();
        odd.language_code = "zh-Hant-TW".into();
        odd.published_year = "-380".into();
        odd.price = "1500".into();
        odd.currency_code = "JPY".into();
        let mut dear = dune.clone();
        dear.price = "0.5".into();
        dear.currency_code = "KWD".into();
        dear.language_code = "en_US".into();
        [dune, odd, dear].map(|row| row.encode_to_vec()).into()
    },
};

fn run(bytes: &[u8]) {
    if let Ok(row) = CatalogueRow::decode(bytes) {
        holds(row);
    }
}

/// What a row says can be written so that it has nothing wrong with it, and says the same.
pub(super) fn holds(row: CatalogueRow) {
    let number = row.number;
    match judge(row) {
        Ok((written, notices)) => {
            assert!(notices.iter().all(|notice| notice.number == number && !notice.reason.is_empty()));
            let again = judge(written.clone());
            let Ok((twice, notices)) = again else { panic!("{written:?} is refused: {again:?}") };
            assert!(notices.is_empty(), "{written:?} has something wrong: {notices:?}");
            assert_eq!(twice, written);
        }
        Err(report) => {
            assert_eq!(report.number, number);
            assert!(!report.field.is_empty() && !report.reason.is_empty());
            // What a row says may be anything, and the answer holds a thousand reports.
            assert!(report.reason.len() < 300, "{}", report.reason);
        }
    }
}
