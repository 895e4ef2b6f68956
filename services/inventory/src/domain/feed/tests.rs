use proptest::prelude::*;

use super::*;

fn emma() -> RawRow {
    RawRow {
        number: 7,
        key: "158".to_owned(),
        title: "Emma".to_owned(),
        authors: vec!["Jane Austen".to_owned()],
        price: "12.90".to_owned(),
        currency_code: "EUR".to_owned(),
        ..RawRow::default()
    }
}

fn judged(change: impl FnOnce(&mut RawRow)) -> Result<Entry, Report> {
    let mut row = emma();
    change(&mut row);
    row.judge()
}

/// The field that spoils the row.
fn spoilt_by(change: impl FnOnce(&mut RawRow)) -> &'static str {
    let report = judged(change).expect_err("a reject");
    assert_eq!(report.number, 7);
    report.field
}

/// What is left out of the row.
fn noticed(change: impl FnOnce(&mut RawRow)) -> (Entry, Vec<&'static str>) {
    let entry = judged(change).expect("an entry");
    let fields = entry.notices.iter().map(|notice| notice.field).collect();
    (entry, fields)
}

#[test]
fn a_row_needs_only_a_key_a_title_and_a_price() {
    let entry = emma().judge().expect("an entry");
    assert_eq!((entry.key.as_deref(), entry.isbn, entry.stock), (Some("158"), None, None));
    assert_eq!(entry.price, "12.90 EUR".parse().expect("money"));
    assert_eq!(entry.notices, []);
    assert!(judged(|row| row.authors.clear()).is_ok());
}

#[test]
fn an_isbn_that_nothing_proves_is_left_out_and_spoils_a_row_without_a_key() {
    let (entry, notices) = noticed(|row| row.isbn = "9.78043902348e+12".to_owned());
    assert_eq!((entry.isbn, notices), (None, vec!["isbn"]));
    let (entry, notices) = noticed(|row| row.isbn = "439023483".to_owned());
    assert_eq!((entry.isbn, notices), ("0439023483".parse().ok(), vec![]));
    let without_key = |isbn: &str| {
        let isbn = isbn.to_owned();
        judged(move |row| (row.key, row.isbn) = (String::new(), isbn))
    };
    assert_eq!(without_key("439023484").expect_err("a reject").field, "isbn");
    assert_eq!(without_key("").expect_err("a reject").field, "key");
    assert!(without_key("439023483").is_ok());
}

#[test]
fn line_breaks_become_blanks() {
    let entry = judged(|row| {
        row.title = " The Bill of Rights\r\n\tThe Ten  Amendments ".to_owned();
        row.authors = vec!["Jane\nAusten".to_owned(), " ".to_owned()];
    })
    .expect("an entry");
    assert_eq!(entry.title, "The Bill of Rights The Ten Amendments");
    assert_eq!(entry.authors.names(), ["Jane Austen"]);
}

#[test]
fn what_tells_the_book_or_its_price_spoils_the_row() {
    assert_eq!(spoilt_by(|row| row.title = " \n".to_owned()), "title");
    assert_eq!(spoilt_by(|row| row.title = "x".repeat(501)), "title");
    assert_eq!(spoilt_by(|row| row.title = "Em\u{0}ma".to_owned()), "title");
    assert_eq!(spoilt_by(|row| row.key = "x".repeat(101)), "key");
    assert_eq!(spoilt_by(|row| row.key = "a\u{0}b".to_owned()), "key");
    assert_eq!(spoilt_by(|row| row.authors = vec!["x".repeat(201)]), "authors");
    assert_eq!(spoilt_by(|row| row.authors = vec!["Somebody".to_owned(); 51]), "authors");
    assert_eq!(spoilt_by(|row| row.currency_code = "EURO".to_owned()), "currency_code");
    assert_eq!(spoilt_by(|row| row.currency_code = String::new()), "currency_code");
}

#[test]
fn prices_have_at_most_two_decimals_after_a_point_or_a_comma() {
    for (text, minor_units) in [("12.90", 1290), ("12,90", 1290), (" 12 ", 1200), ("0.05", 5), ("12.9", 1290)]
    {
        let entry = judged(|row| row.price = text.to_owned()).expect("an entry");
        assert_eq!(entry.price.minor_units(), minor_units, "{text}");
    }
    for text in [
        "",
        "free",
        "0",
        "0.00",
        "-1",
        "+1",
        "1.234",
        "1.234,50",
        "1,234.50",
        "12.",
        ".5",
        "1e3",
        "€12",
        "12 EUR",
        "NaN",
        "99999999999999999999",
    ] {
        assert_eq!(spoilt_by(|row| row.price = text.to_owned()), "price", "{text}");
    }
    let yen = judged(|row| (row.price, row.currency_code) = ("1200".to_owned(), "jpy".to_owned()));
    assert_eq!(yen.expect("an entry").price.to_string(), "1200 JPY");
    assert_eq!(
        spoilt_by(|row| (row.price, row.currency_code) = ("12.90".to_owned(), "JPY".to_owned())),
        "price"
    );
}

#[test]
fn stock_is_a_number_of_copies_or_unknown() {
    for (text, stock) in [("", None), (" ", None), ("0", Some(0)), ("12", Some(12)), ("12.0", Some(12))] {
        assert_eq!(judged(|row| row.stock = text.to_owned()).expect("an entry").stock, stock, "{text}");
    }
    for text in ["-1", "1.5", "12.", "many", "1000001", "1e3", "+3", "99999999999999999999"] {
        assert_eq!(spoilt_by(|row| row.stock = text.to_owned()), "stock", "{text}");
    }
}

#[test]
fn what_makes_no_sense_beside_the_book_is_left_out() {
    for (text, year) in [("1925", 1925), ("1925.0", 1925), ("-380.0", -380), ("0", 0), ("", 0)] {
        let (entry, notices) = noticed(|row| row.published_year = text.to_owned());
        assert_eq!((entry.published_year.get(), notices), (year, vec![]), "{text}");
    }
    for text in ["soon", "1925.5", "99999", "1925-01-01"] {
        let (entry, notices) = noticed(|row| row.published_year = text.to_owned());
        assert_eq!((entry.published_year.get(), notices), (0, vec!["published_year"]), "{text}");
    }
    let (entry, notices) = noticed(|row| row.language_code = "eng".to_owned());
    assert_eq!((entry.language_code.as_str(), notices), ("en", vec![]));
    let (entry, notices) = noticed(|row| {
        row.language_code = "Elvish".to_owned();
        row.publisher = "x".repeat(201);
        row.description = "a\u{7}b".to_owned();
    });
    assert_eq!(notices, ["publisher", "language_code", "description"]);
    assert_eq!((entry.language_code.as_str(), entry.publisher.as_str()), ("", ""));
}

proptest! {
    #[test]
    fn every_row_is_an_entry_or_a_reject_with_its_number(
        number: i64, texts in prop::array::uniform10("\\PC{0,40}|[0-9.,eE+-]{0,14}"),
        authors in prop::collection::vec(".{0,30}", 0..4), categories in prop::collection::vec(".{0,60}", 0..13),
    ) {
        let [key, isbn, title, publisher, published_year, language_code, description, price, currency_code, stock] = texts;
        let row = RawRow {
            number, key, isbn, title, authors, publisher, published_year, language_code, description, categories,
            price, currency_code, stock,
        };
        match row.judge() {
            Ok(entry) => {
                prop_assert!(entry.key.is_some() || entry.isbn.is_some());
                prop_assert!(entry.price.minor_units() > 0);
                prop_assert!(entry.notices.iter().all(|notice| notice.number == number));
            }
            Err(report) => prop_assert_eq!(report.number, number),
        }
    }
}
