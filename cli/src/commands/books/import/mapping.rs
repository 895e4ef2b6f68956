//! Which column of a file says what of a book.

use std::{fmt, str::FromStr};

use csv::StringRecord;
use proto::inventory::v1::CatalogueRow;

use super::{computed::Range, names};

/// What is known of a book.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Field {
    Key,
    Isbn,
    Title,
    Authors,
    Publisher,
    Year,
    Language,
    Description,
    Categories,
    Price,
    Currency,
    Stock,
}

impl Field {
    const ALL: [Self; 12] = [
        Self::Key,
        Self::Isbn,
        Self::Title,
        Self::Authors,
        Self::Publisher,
        Self::Year,
        Self::Language,
        Self::Description,
        Self::Categories,
        Self::Price,
        Self::Currency,
        Self::Stock,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Isbn => "isbn",
            Self::Title => "title",
            Self::Authors => "authors",
            Self::Publisher => "publisher",
            Self::Year => "year",
            Self::Language => "language",
            Self::Description => "description",
            Self::Categories => "categories",
            Self::Price => "price",
            Self::Currency => "currency",
            Self::Stock => "stock",
        }
    }

    /// Whether it may be computed, and whether from whole numbers only.
    const fn can_be_computed(self) -> bool {
        matches!(self, Self::Price | Self::Stock)
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// `FIELD=SOURCE` as it was typed; what the source means depends on the file's columns.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Wish {
    field: Field,
    source: String,
}

impl FromStr for Wish {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (field, source) =
            text.split_once('=').ok_or_else(|| format!("`{text}` has no `=`; write title=COLUMN"))?;
        let field = Field::ALL.into_iter().find(|known| known.name() == field).ok_or_else(|| {
            let names: Vec<_> = Field::ALL.iter().map(|known| known.name()).collect();
            format!("a book has no `{field}`, but: {}", names.join(", "))
        })?;
        if source.is_empty() {
            return Err(format!("say which column holds the {field}: {field}=COLUMN"));
        }
        Ok(Self { field, source: source.to_owned() })
    }
}

/// Where a field comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Source {
    /// The same for every row.
    Text(String),
    Column(usize),
    /// Several in one column.
    Parts {
        column: usize,
        separator: String,
        are_names: bool,
    },
    Computed {
        column: usize,
        range: Range,
    },
}

/// Makes books of a file's rows.
#[derive(Debug)]
pub(super) struct Mapping {
    sources: Vec<(Field, Source)>,
    /// Stands before each key: those of two feeds may be alike.
    feed: Option<String>,
}

impl Mapping {
    /// Finds what was wished for in the file's columns; the error is for whoever typed it.
    pub(super) fn bind(
        wishes: &[Wish],
        feed: Option<String>,
        currency: &str,
        columns: &[String],
    ) -> Result<Self, String> {
        let mut sources = Vec::with_capacity(wishes.len() + 1);
        for wish in wishes {
            let source = source(wish, columns)?;
            sources.push((wish.field, source));
        }
        let has = |field| sources.iter().any(|(known, _)| *known == field);
        for needed in [Field::Title, Field::Price] {
            if !has(needed) {
                return Err(format!("say which column holds the {needed}: --map {needed}=COLUMN"));
            }
        }
        if !has(Field::Key) && !has(Field::Isbn) {
            return Err(
                "say by what a book is known again: --map isbn=COLUMN, --map key=COLUMN, or both".to_owned()
            );
        }
        if has(Field::Key) && feed.is_none() {
            return Err("say what the feed is called, so that its keys are not taken for another one's: \
                        --feed NAME, the same whenever it is sent"
                .to_owned());
        }
        if !has(Field::Currency) {
            sources.push((Field::Currency, Source::Text(currency.to_owned())));
        }
        Ok(Self { sources, feed })
    }

    /// The book of a row.
    pub(super) fn row(&self, number: i64, record: &StringRecord) -> CatalogueRow {
        let one = |field| self.values(field, record).find(|value| !value.is_empty()).unwrap_or_default();
        CatalogueRow {
            number,
            key: self.key(one(Field::Key)),
            isbn: one(Field::Isbn),
            title: one(Field::Title),
            authors: self.list(Field::Authors, record),
            publisher: one(Field::Publisher),
            published_year: one(Field::Year),
            language_code: one(Field::Language),
            description: one(Field::Description),
            categories: self.list(Field::Categories, record),
            price: one(Field::Price),
            currency_code: one(Field::Currency),
            stock: one(Field::Stock),
        }
    }

    fn key(&self, key: String) -> String {
        match &self.feed {
            Some(feed) if !key.is_empty() => format!("{feed}:{key}"),
            _ => key,
        }
    }

    /// Every value of a field, each once.
    fn list(&self, field: Field, record: &StringRecord) -> Vec<String> {
        let mut list: Vec<String> = Vec::new();
        for value in self.values(field, record) {
            if !value.is_empty() && !list.contains(&value) {
                list.push(value);
            }
        }
        list
    }

    fn values(&self, field: Field, record: &StringRecord) -> impl Iterator<Item = String> {
        self.sources
            .iter()
            .filter(move |(known, _)| *known == field)
            .flat_map(move |(_, source)| source.values(field, record))
    }
}

impl Source {
    fn values(&self, field: Field, record: &StringRecord) -> Vec<String> {
        let cell = |column: usize| record.get(column).unwrap_or_default().trim();
        match self {
            Self::Text(text) => vec![text.clone()],
            Self::Column(column) => vec![cell(*column).to_owned()],
            Self::Parts { column, separator, are_names } => {
                let parts = cell(*column).split(separator.as_str()).map(|part| part.trim().to_owned());
                let parts: Vec<_> = parts.filter(|part| !part.is_empty()).collect();
                if *are_names { names::as_people_say(&parts) } else { parts }
            }
            // What has nothing to be computed from stays without.
            Self::Computed { column, range } => match cell(*column) {
                "" => Vec::new(),
                value => vec![range.of(field.name(), value)],
            },
        }
    }
}

/// Behind a separator: the parts are names as library catalogues write them.
const NAMES: &str = ":names";

fn source(wish: &Wish, columns: &[String]) -> Result<Source, String> {
    let Wish { field, source } = wish;
    if let Some(text) = source.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
        return Ok(Source::Text(text.to_owned()));
    }
    if let Some(column) = columns.iter().position(|column| column == source) {
        return Ok(Source::Column(column));
    }
    // A column's name may itself have a colon.
    let (column, rest) = columns
        .iter()
        .enumerate()
        .filter_map(|(index, name)| Some((index, source.strip_prefix(name.as_str())?.strip_prefix(':')?)))
        .min_by_key(|(_, rest)| rest.len())
        .ok_or_else(|| {
            let wanted = source.split_once(':').map_or(source.as_str(), |(column, _)| column);
            format!("there is no column `{wanted}` for {field}; there are: {}", columns.join(", "))
        })?;
    if field.can_be_computed() {
        let range: Range = rest.parse()?;
        if *field == Field::Stock && !range.is_whole() {
            return Err(format!("`{rest}`: copies are counted in whole numbers"));
        }
        return Ok(Source::Computed { column, range });
    }
    let (separator, are_names) = rest.strip_suffix(NAMES).map_or((rest, false), |rest| (rest, true));
    if separator.is_empty() {
        return Err(format!("`{source}` names no separator; write {field}=COLUMN:;"));
    }
    if are_names && *field != Field::Authors {
        return Err(format!("`{source}`: only authors are names"));
    }
    Ok(Source::Parts { column, separator: separator.to_owned(), are_names })
}

#[cfg(test)]
mod tests;
