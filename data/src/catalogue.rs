//! The books of `books.csv`.

use anyhow::{Context, Result};
use serde::Deserialize;

const BOOKS: &str = include_str!("../books.csv");

/// A row: an edition, what it costs in the demo shop, and how many copies are there to begin with.
#[derive(Debug, Deserialize)]
pub(crate) struct Book {
    pub(crate) title: String,
    authors: String,
    pub(crate) isbn13: String,
    pub(crate) publisher: String,
    pub(crate) year: i32,
    pub(crate) language: String,
    categories: String,
    pub(crate) description: String,
    /// In minor units of the demo shop's currency.
    pub(crate) price: i64,
    pub(crate) stock: i32,
}

impl Book {
    pub(crate) fn authors(&self) -> Vec<String> {
        list(&self.authors)
    }

    pub(crate) fn categories(&self) -> Vec<String> {
        list(&self.categories)
    }
}

fn list(joined: &str) -> Vec<String> {
    joined.split(';').map(str::to_owned).collect()
}

pub(crate) fn read() -> Result<Vec<Book>> {
    csv::Reader::from_reader(BOOKS.as_bytes())
        .deserialize()
        .enumerate()
        .map(|(row, book)| book.with_context(|| format!("books.csv, row {}", row + 2)))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use values::Isbn;

    use super::*;

    const CATEGORIES: [&str; 16] = [
        "biography",
        "children",
        "classics",
        "computing",
        "crime",
        "economics",
        "fantasy",
        "fiction",
        "historical-fiction",
        "history",
        "horror",
        "philosophy",
        "poetry-and-drama",
        "psychology",
        "science",
        "science-fiction",
    ];

    #[test]
    fn there_are_enough_books_to_browse() {
        assert!(read().unwrap().len() >= 220);
    }

    #[test]
    fn every_isbn_is_valid_and_there_once() {
        let mut seen = HashSet::new();
        for book in read().unwrap() {
            let isbn: Isbn = book.isbn13.parse().unwrap_or_else(|error| panic!("{}: {error}", book.isbn13));
            assert_eq!(isbn.to_string(), book.isbn13, "not in its canonical form");
            assert!(seen.insert(book.isbn13.clone()), "{} twice", book.isbn13);
        }
    }

    #[test]
    fn every_category_is_known_and_has_a_shelf_full() {
        let mut shelves = BTreeMap::new();
        for book in read().unwrap() {
            let categories = book.categories();
            assert!((1..=3).contains(&categories.len()), "{}: {categories:?}", book.title);
            for category in categories {
                assert!(CATEGORIES.contains(&category.as_str()), "{}: {category}", book.title);
                *shelves.entry(category).or_insert(0) += 1;
            }
        }
        assert_eq!(shelves.len(), CATEGORIES.len());
        assert!(shelves.values().all(|books| *books >= 10), "{shelves:?}");
    }

    #[test]
    fn every_row_is_complete_and_plausible() {
        for book in read().unwrap() {
            let title = &book.title;
            let texts = [title, &book.publisher, &book.description];
            assert!(texts.iter().all(|text| !text.is_empty() && text.trim() == *text), "{title}");
            assert!(book.authors().iter().all(|author| author.trim().len() > 2), "{title}");
            assert!(book.description.ends_with(['.', '?']), "{title}: {}", book.description);
            assert!(["de", "en", "es", "fr"].contains(&book.language.as_str()), "{title}");
            assert!((1800..=2030).contains(&book.year), "{title}: {}", book.year);
            assert!((100..=10_000).contains(&book.price), "{title}: {}", book.price);
            assert!((1..=1_000).contains(&book.stock), "{title}: {}", book.stock);
        }
    }

    #[test]
    fn the_file_is_sorted_by_title() {
        let titles: Vec<_> = read().unwrap().into_iter().map(|book| book.title.to_lowercase()).collect();
        assert!(titles.is_sorted());
    }
}
