use super::*;
use crate::domain::RawRow;

const ISBN: &str = "9780439023481";
const OTHER_ISBN: &str = "9780306406157";

fn entry(number: i64, key: &str, isbn: &str, change: impl FnOnce(&mut RawRow)) -> Entry {
    let mut row = RawRow {
        number,
        key: key.to_owned(),
        isbn: isbn.to_owned(),
        title: "Emma".to_owned(),
        price: "10.00".to_owned(),
        currency_code: "EUR".to_owned(),
        ..RawRow::default()
    };
    change(&mut row);
    row.judge().expect("an entry")
}

fn plain(number: i64, key: &str, isbn: &str) -> Entry {
    entry(number, key, isbn, |_| {})
}

fn known() -> Known {
    Known {
        id: EditionId::new(),
        work: WorkId::new(),
        lacks_publisher: false,
        lacks_year: false,
        lacks_language: false,
        lacks_description: false,
        lacks_categories: false,
    }
}

fn offered(key: &str, isbn: &str) -> Offered {
    Offered {
        isbn: isbn.parse().ok(),
        key: Some(key.to_owned()).filter(|key| !key.is_empty()),
        price: "10.00 EUR".parse().expect("money"),
        is_withdrawn: false,
        edition: known(),
        shelf: Some(Fed { level: StockLevel { on_hand: 5, reserved: 2 }, fed: None }),
    }
}

/// What is known, with these offers.
fn with(offers: impl IntoIterator<Item = Offered>) -> Intake {
    let mut intake = Intake::default();
    for offered in offers {
        intake.add_offer(OfferId::new(), offered, None);
    }
    intake
}

fn take(intake: &mut Intake, mut entry: Entry) -> Result<Outcome, (&'static str, String)> {
    intake.take(&mut entry).map_err(|report| (report.field, report.reason))
}

#[test]
fn a_row_is_the_offer_with_its_isbn_or_else_with_its_key() {
    let mut intake = with([offered("one", ISBN), offered("two", "")]);
    assert_eq!(take(&mut intake, plain(1, "", ISBN)), Ok(Outcome::Unchanged));
    assert_eq!(take(&mut intake, plain(2, "two", "")), Ok(Outcome::Unchanged));
    assert_eq!(take(&mut intake, plain(3, "three", OTHER_ISBN)), Ok(Outcome::Created));
    let written = Written { marks: intake.written.marks.clone(), ..Written::default() };
    assert_eq!(intake.written.marks.len(), 3);
    let made = Written {
        offers: intake.written.offers.clone(),
        editions: intake.written.editions.clone(),
        stock: intake.written.stock.clone(),
        ..written
    };
    assert_eq!(intake.written, made, "nothing but what the new offer needs");
}

#[test]
fn isbn_and_key_of_two_books_are_a_contradiction() {
    let mut intake = with([offered("one", ISBN), offered("two", OTHER_ISBN)]);
    assert_eq!(take(&mut intake, plain(1, "two", ISBN)).expect_err("a reject").0, "key");
    // The key's book has another ISBN, and no book has the row's.
    assert_eq!(take(&mut intake, plain(2, "two", "0-8044-2957-X")).expect_err("a reject").0, "isbn");
    assert_eq!(intake.written, Written::default());
}

#[test]
fn a_second_row_for_one_book_is_refused_whether_it_comes_by_isbn_or_key() {
    let mut intake = with([offered("one", ISBN)]);
    assert_eq!(take(&mut intake, plain(1, "one", ISBN)), Ok(Outcome::Unchanged));
    assert_eq!(take(&mut intake, plain(2, "fresh", "")), Ok(Outcome::Created));
    let same_as = |row: i64| format!("is the same book as row {row}");
    assert_eq!(take(&mut intake, plain(3, "", ISBN)), Err(("isbn", same_as(1))));
    assert_eq!(take(&mut intake, plain(4, "fresh", "")), Err(("key", same_as(2))));
    assert_eq!(take(&mut intake, plain(2, "fresh", "")), Err(("key", same_as(2))), "whatever its number");
}

#[test]
fn a_row_that_comes_again_in_a_later_call_is_not_its_own_double() {
    let mut intake = Intake::default();
    intake.add_offer(OfferId::new(), offered("one", ""), Some(7));
    assert_eq!(take(&mut intake, plain(8, "one", "")).expect_err("a reject").0, "key");
    assert_eq!(take(&mut intake, plain(7, "one", "")), Ok(Outcome::Unchanged));
}

#[test]
fn withdrawn_books_stay_withdrawn() {
    let mut intake = with([Offered { is_withdrawn: true, ..offered("one", "") }]);
    assert!(take(&mut intake, entry(1, "one", "", |row| row.price = "1".to_owned())).is_err());
    assert_eq!(intake.written, Written::default());
}

#[test]
fn a_new_price_and_a_new_key_are_followed() {
    let mut intake = with([offered("one", ISBN)]);
    let row = entry(1, "renamed", ISBN, |row| row.price = "11".to_owned());
    assert_eq!(take(&mut intake, row), Ok(Outcome::Updated));
    let [(_, price, key)] = intake.written.changed.as_slice() else { panic!("one change") };
    assert_eq!((price.to_string(), key.as_deref()), ("11.00 EUR".to_owned(), Some("renamed")));
    // The old key is free for another book, the new one isn't.
    assert_eq!(take(&mut intake, plain(2, "one", "")), Ok(Outcome::Created));
    assert!(take(&mut intake, plain(3, "renamed", "")).is_err());
}

#[test]
fn only_what_is_empty_is_filled() {
    let lacking = Known { lacks_publisher: true, lacks_categories: true, ..known() };
    let mut intake = with([Offered { edition: lacking, ..offered("one", ISBN) }]);
    let full = |row: &mut RawRow| {
        row.publisher = "Penguin".to_owned();
        row.description = "A novel.".to_owned();
        row.categories = vec!["Novels".to_owned()];
    };
    assert_eq!(take(&mut intake, entry(1, "one", ISBN, full)), Ok(Outcome::Updated));
    assert_eq!((intake.written.filled.len(), intake.written.categories.len()), (1, 1));
    let mut intake = with([offered("one", ISBN)]);
    assert_eq!(take(&mut intake, entry(1, "one", ISBN, full)), Ok(Outcome::Unchanged));
}

#[test]
fn an_edition_gets_the_isbn_that_it_lacks_unless_another_has_it() {
    let mut intake = with([offered("one", "")]);
    assert_eq!(take(&mut intake, plain(1, "one", ISBN)), Ok(Outcome::Updated));
    assert_eq!(intake.written.filled[0].1, ISBN.parse().ok());
    assert!(take(&mut intake, plain(2, "", ISBN)).is_err(), "now it is that book");

    let mut intake = with([offered("one", "")]);
    intake.add_edition(ISBN.parse().expect("an ISBN"), known());
    let mut row = plain(1, "one", ISBN);
    assert_eq!(intake.take(&mut row), Ok(Outcome::Unchanged));
    assert_eq!(row.notices.iter().map(|notice| notice.field).collect::<Vec<_>>(), ["isbn"]);
}

#[test]
fn a_book_that_others_offer_is_not_made_again() {
    let mut intake = Intake::default();
    let edition = known();
    intake.add_edition(ISBN.parse().expect("an ISBN"), edition);
    assert_eq!(take(&mut intake, plain(1, "one", ISBN)), Ok(Outcome::Created));
    assert_eq!(intake.written.editions, []);
    assert_eq!(intake.written.offers[0].edition, edition.id);
}

#[test]
fn the_first_figure_is_a_count_and_later_ones_tell_what_changed_since() {
    let count = |fed: Option<i64>, stock: &str| {
        let level = StockLevel { on_hand: 5, reserved: 2 };
        let mut intake = with([Offered { shelf: Some(Fed { level, fed }), ..offered("one", "") }]);
        let outcome = take(&mut intake, entry(1, "one", "", |row| row.stock = stock.to_owned()));
        let change = intake.written.stock.first().map(|counted| counted.change);
        (outcome.map_err(|(field, _)| field), change)
    };
    assert_eq!(count(None, "8"), (Ok(Outcome::Updated), Some(3)));
    assert_eq!(count(Some(8), "8"), (Ok(Outcome::Unchanged), None), "five of them: three were sold here");
    assert_eq!(count(Some(8), "10"), (Ok(Outcome::Updated), Some(2)));
    assert_eq!(count(Some(8), "5"), (Ok(Outcome::Updated), Some(-3)));
    assert_eq!(count(Some(8), "4"), (Err("stock"), None), "two are reserved");
    assert_eq!(count(None, ""), (Ok(Outcome::Unchanged), None));
}

#[test]
fn a_room_that_never_held_the_book_gets_a_shelf() {
    let mut intake = with([Offered { shelf: None, ..offered("one", "") }]);
    assert_eq!(
        take(&mut intake, entry(1, "one", "", |row| row.stock = "4".to_owned())),
        Ok(Outcome::Updated)
    );
    let [counted] = intake.written.stock.as_slice() else { panic!("one shelf") };
    assert_eq!((counted.change, counted.fed, counted.is_new), (4, Some(4), true));
}

#[test]
fn what_may_change_is_locked_before() {
    let mut intake =
        with([Offered { edition: Known { lacks_year: true, ..known() }, ..offered("one", ISBN) }]);
    let row = entry(1, "one", ISBN, |row| {
        row.published_year = "1815".to_owned();
        row.stock = "3".to_owned();
    });
    assert_eq!(
        (
            intake.works_to_lock(std::slice::from_ref(&row)).len(),
            intake.shelves_to_lock(std::slice::from_ref(&row)).len()
        ),
        (1, 1)
    );
    let locked = intake.shelves_to_lock(std::slice::from_ref(&row))[0];
    intake.count(locked, StockLevel { on_hand: 9, reserved: 0 });
    assert_eq!(take(&mut intake, row), Ok(Outcome::Updated));
    assert_eq!(intake.written.stock[0].change, -6, "as it was counted under the lock");
    let same = plain(1, "one", ISBN);
    assert!(
        intake.works_to_lock(std::slice::from_ref(&same)).is_empty()
            && intake.shelves_to_lock(&[same]).is_empty()
    );
}
