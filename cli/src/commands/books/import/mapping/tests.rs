use super::*;

const COLUMNS: [&str; 7] = ["id", "isbn", "title", "authors", "year", "shelf: main", "language"];

fn bound(wishes: &[&str]) -> Result<Mapping, String> {
    let wishes = wishes.iter().map(|wish| wish.parse()).collect::<Result<Vec<_>, _>>()?;
    Mapping::bind(&wishes, Some("f".to_owned()), "EUR", &COLUMNS.map(str::to_owned))
}

fn mapped(wishes: &[&str], cells: [&str; 7]) -> CatalogueRow {
    let usual = ["key=id", "title=title", "price='9.99'"];
    bound(&[&usual[..], wishes].concat()).unwrap().row(7, &StringRecord::from(cells.to_vec()))
}

const DUNE: [&str; 7] = [
    "44",
    " 0441172717 ",
    "Dune",
    "Frank Herbert, Frank Herbert,, Brian Herbert",
    "1965.0",
    "sf; classics",
    "en",
];

#[test]
fn columns_are_taken_as_they_are_but_for_the_blanks_around() {
    let row = mapped(&["isbn=isbn", "year=year", "language=language"], DUNE);

    assert_eq!((row.number, row.key.as_str(), row.isbn.as_str()), (7, "f:44", "0441172717"));
    assert_eq!((row.title.as_str(), row.published_year.as_str()), ("Dune", "1965.0"));
    assert_eq!((row.price.as_str(), row.currency_code.as_str(), row.stock.as_str()), ("9.99", "EUR", ""));
}

#[test]
fn a_list_is_split_and_says_everything_once() {
    let row = mapped(&["authors=authors:,", "categories=shelf: main:;", "categories='imported'"], DUNE);

    assert_eq!(row.authors, ["Frank Herbert", "Brian Herbert"]);
    assert_eq!(row.categories, ["sf", "classics", "imported"]);
    assert_eq!(mapped(&["authors=authors"], DUNE).authors, [DUNE[3]]);
}

#[test]
fn of_several_sources_for_one_thing_the_first_that_says_something_counts() {
    let wishes = ["language=language:;", "language=year", "publisher=isbn", "publisher='unknown'"];
    let mut cells = DUNE;
    cells[6] = "de; en";
    assert_eq!(mapped(&wishes, cells).language_code, "de");
    cells[6] = " ";
    assert_eq!(mapped(&wishes, cells).language_code, "1965.0");
    cells[1] = "";
    assert_eq!(mapped(&wishes, cells).publisher, "unknown");
}

#[test]
fn names_of_a_library_catalogue_are_turned() {
    let mut cells = DUNE;
    cells[3] = "Austen, Jane, 1775-1817; Thomson, Hugh, 1860-1920 [Illustrator]";
    assert_eq!(mapped(&["authors=authors:;:names"], cells).authors, ["Jane Austen"]);
}

#[test]
fn figures_are_computed_from_a_column_and_not_from_nothing() {
    let wishes = ["key=id", "title=title", "price=id:5.00..40.00", "stock=id:0..20"];
    let mapping = bound(&wishes).unwrap();
    let row = |id| mapping.row(1, &StringRecord::from(vec![id, "", "", "", "", "", ""]));

    assert_eq!(row("44"), row("44"));
    let price: f64 = row("44").price.parse().unwrap();
    assert!((5.0..=40.0).contains(&price) && row("44").stock.parse::<u32>().unwrap() <= 20);
    assert_eq!(row("").key, "", "what has no key gets none");
    assert_eq!((row("").price, row("").stock), (String::new(), String::new()));
}

#[test]
fn the_currency_may_come_from_the_file() {
    assert_eq!(mapped(&["currency=language"], DUNE).currency_code, "en");
    assert_eq!(mapped(&["currency='USD'"], DUNE).currency_code, "USD");
}

#[test]
fn a_short_row_has_what_it_has() {
    let row = bound(&["key=id", "title=title", "price=year", "authors=authors:,"])
        .unwrap()
        .row(1, &StringRecord::from(vec!["44"]));
    assert_eq!((row.key.as_str(), row.title.as_str(), row.authors.len()), ("f:44", "", 0));
}

#[test]
fn whoever_types_something_wrong_is_told_what() {
    let usual = ["key=id", "title=title", "price=year"];
    let cases = [
        ("titel=title", "a book has no `titel`, but: key, isbn, title"),
        ("stock", "has no `=`"),
        ("stock=", "say which column holds the stock"),
        ("publisher=house", "there is no column `house` for publisher; there are: id, isbn"),
        ("authors=author:,", "there is no column `author` for authors"),
        ("authors=authors:", "names no separator"),
        ("categories=authors:;:names", "only authors are names"),
        ("price=id:9..5", "ends before it begins"),
        ("price=id:,", "is no range"),
        ("stock=id:0.5..2", "whole numbers"),
    ];
    for (wish, told) in cases {
        let error = bound(&[&usual[..], &[wish]].concat()).unwrap_err();
        assert!(error.contains(told), "{wish}: {error}");
    }
    assert!(bound(&["key=id", "price=year"]).unwrap_err().contains("--map title=COLUMN"));
    assert!(bound(&["key=id", "title=title"]).unwrap_err().contains("--map price=COLUMN"));
    assert!(bound(&["title=title", "price=year"]).unwrap_err().contains("--map key=COLUMN"));
}

#[test]
fn keys_need_the_name_of_their_feed_and_isbns_do_not() {
    let bind = |wishes: &[&str]| {
        let wishes: Vec<Wish> = wishes.iter().map(|wish| wish.parse().unwrap()).collect();
        Mapping::bind(&wishes, None, "EUR", &COLUMNS.map(str::to_owned)).map(drop)
    };
    assert!(bind(&["key=id", "title=title", "price=year"]).unwrap_err().contains("--feed NAME"));
    assert_eq!(bind(&["isbn=isbn", "title=title", "price=year"]), Ok(()));
}
