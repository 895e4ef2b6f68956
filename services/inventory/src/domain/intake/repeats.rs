//! Feeds of random rows against a catalogue in memory.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::domain::RawRow;

/// What the shop offers, as the database would have it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Catalogue {
    offers: BTreeMap<OfferId, Offered>,
}

impl Catalogue {
    /// Takes a feed as one piece, and tells how many rows changed something.
    fn import(&mut self, rows: &[RawRow]) -> usize {
        let mut intake = Intake::default();
        for (id, offered) in &self.offers {
            intake.add_offer(*id, offered.clone(), None);
        }
        let entries: Vec<Entry> = rows.iter().filter_map(|row| row.judge().ok()).collect();
        let taken = entries.into_iter().map(|mut entry| intake.take(&mut entry));
        let changes = taken.filter(|taken| matches!(taken, Ok(Outcome::Created | Outcome::Updated))).count();
        self.write(intake.written());
        changes
    }

    fn write(&mut self, written: &Written) {
        for (edition, entry) in &written.editions {
            let new = written.offers.iter().find(|offer| offer.edition == *edition).expect("its offer");
            let edition = Known {
                id: *edition,
                lacks_categories: entry.categories.names().is_empty(),
                ..Known::new(entry)
            };
            let (key, price) = (new.key.clone(), new.price);
            let offered = Offered { isbn: entry.isbn, key, price, is_withdrawn: false, edition, shelf: None };
            self.offers.insert(new.id, offered);
        }
        for (id, price, key) in &written.changed {
            let offered = self.offers.get_mut(id).expect("an offer");
            (offered.price, offered.key) = (*price, key.clone());
        }
        for (edition, isbn, entry) in &written.filled {
            for offered in self.offers.values_mut().filter(|offered| offered.edition.id == *edition) {
                offered.isbn = offered.isbn.or(*isbn);
                offered.edition.lacks_publisher &= entry.publisher.is_empty();
                offered.edition.lacks_year &= entry.published_year.get() == 0;
            }
        }
        for (work, _) in &written.categories {
            for offered in self.offers.values_mut().filter(|offered| offered.edition.work == *work) {
                offered.edition.lacks_categories = false;
            }
        }
        for counted in &written.stock {
            let offered = self.offers.get_mut(&counted.offer).expect("an offer");
            assert_eq!(counted.is_new, offered.shelf.is_none());
            let before = offered.shelf.map_or(0, |shelf| shelf.level.on_hand);
            let level = StockLevel { on_hand: before + counted.change, reserved: 0 };
            offered.shelf = Some(Fed { level, fed: counted.fed });
        }
    }

    /// That no two offers have the same key or ISBN, and none less than nothing.
    fn is_sound(&self) -> bool {
        let offers = || self.offers.values();
        let distinct = |mut names: Vec<String>| {
            let all = names.len();
            names.sort();
            names.dedup();
            names.len() == all
        };
        distinct(offers().filter_map(|offered| offered.key.clone()).collect())
            && distinct(offers().filter_map(|offered| offered.isbn).map(|isbn| isbn.to_string()).collect())
            && offers().filter_map(|offered| offered.shelf).all(|shelf| shelf.level.on_hand >= 0)
    }
}

const ISBNS: [&str; 5] = ["", "9780439023481", "9780306406157", "0-8044-2957-X", "12"];

fn any_row() -> impl Strategy<Value = RawRow> {
    let texts = (prop::sample::select(vec!["", "Penguin"]), prop::sample::select(vec!["", "1815"]));
    (0..5_usize, 0..5_usize, 1..4_i64, 0..4_i64, texts).prop_map(
        |(key, isbn, price, stock, (publisher, year))| RawRow {
            key: if key == 0 { String::new() } else { key.to_string() },
            isbn: ISBNS[isbn].to_owned(),
            title: "Emma".to_owned(),
            price: price.to_string(),
            currency_code: "EUR".to_owned(),
            stock: if stock == 0 { String::new() } else { stock.to_string() },
            publisher: publisher.to_owned(),
            published_year: year.to_owned(),
            ..RawRow::default()
        },
    )
}

fn any_feed() -> impl Strategy<Value = Vec<RawRow>> {
    prop::collection::vec(any_row(), 0..12).prop_map(|mut rows| {
        for (number, row) in (1..).zip(&mut rows) {
            row.number = number;
        }
        rows
    })
}

/// The books of a feed, with what another says of their prices and stocks.
fn changed(feed: &[RawRow], by: &[RawRow]) -> Vec<RawRow> {
    let mut changed = feed.to_vec();
    for (row, other) in changed.iter_mut().zip(by) {
        row.price.clone_from(&other.price);
        row.stock.clone_from(&other.stock);
        row.publisher.clone_from(&other.publisher);
    }
    changed
}

proptest! {
    #[test]
    fn the_same_feed_again_changes_nothing(feed in any_feed(), other in any_feed()) {
        let mut catalogue = Catalogue::default();
        for feed in [feed.clone(), changed(&feed, &other)] {
            catalogue.import(&feed);
            prop_assert!(catalogue.is_sound(), "{catalogue:?}");
            let before = catalogue.clone();
            prop_assert_eq!(catalogue.import(&feed), 0);
            prop_assert_eq!(&catalogue, &before);
        }
    }

    #[test]
    fn whatever_feeds_follow_each_other_no_two_offers_are_one_book(feeds in prop::collection::vec(any_feed(), 1..5)) {
        let mut catalogue = Catalogue::default();
        for feed in feeds {
            catalogue.import(&feed);
            prop_assert!(catalogue.is_sound(), "{catalogue:?}");
        }
    }
}
