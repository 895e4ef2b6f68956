//! What a feed's rows say, judged one by one: nothing here knows the catalogue.

mod category;
mod language;

use values::{Currency, Isbn, Money};

use super::{Authors, Categories, Description, LanguageCode, PublishedYear};

/// A row as the feed has it.
#[derive(Clone, Debug, Default)]
pub(crate) struct RawRow {
    pub(crate) number: i64,
    pub(crate) key: String,
    pub(crate) isbn: String,
    pub(crate) title: String,
    pub(crate) authors: Vec<String>,
    pub(crate) publisher: String,
    pub(crate) published_year: String,
    pub(crate) language_code: String,
    pub(crate) description: String,
    pub(crate) categories: Vec<String>,
    pub(crate) price: String,
    pub(crate) currency_code: String,
    pub(crate) stock: String,
}

/// A row that makes sense by itself.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) number: i64,
    /// The feed's own key of the book. An entry without one has an ISBN.
    pub(crate) key: Option<String>,
    pub(crate) isbn: Option<Isbn>,
    pub(crate) title: String,
    pub(crate) authors: Authors,
    pub(crate) publisher: String,
    pub(crate) published_year: PublishedYear,
    pub(crate) language_code: LanguageCode,
    pub(crate) description: Description,
    pub(crate) categories: Categories,
    pub(crate) price: Money,
    /// Copies, if the feed says how many.
    pub(crate) stock: Option<i64>,
    /// What was left out because it made no sense.
    pub(crate) notices: Vec<Report>,
}

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) number: i64,
    pub(crate) field: &'static str,
    pub(crate) reason: String,
}

/// A field that spoils its row, and why.
type Wrong = (&'static str, String);

/// The most copies that a feed may have of a book.
const MAX_STOCK: i64 = 1_000_000;

impl RawRow {
    /// Judges the row: what tells the book and its price must be right, all else is left out if it makes no sense.
    ///
    /// # Errors
    /// The first thing that spoils it.
    pub(crate) fn judge(&self) -> Result<Entry, Report> {
        let number = self.number;
        self.read().map_err(|(field, reason)| Report { number, field, reason })
    }

    fn read(&self) -> Result<Entry, Wrong> {
        let mut notices = Notices { number: self.number, found: Vec::new() };
        let key = key(&self.key)?;
        let isbn = notices.isbn(&self.isbn);
        if key.is_none() && isbn.is_none() {
            return Err(match notices.found.pop() {
                Some(invalid) => ("isbn", format!("{}, and there is no key", invalid.reason)),
                None => ("key", "there is neither a key nor an ISBN".to_owned()),
            });
        }
        let title =
            values::text(&one_line(&self.title), 1..=500).map_err(|error| ("title", error.to_string()))?;
        let authors = authors(&self.authors)?;
        let price = price(&self.price, &self.currency_code)?;
        let stock = stock(&self.stock)?;
        Ok(Entry {
            number: self.number,
            key,
            isbn,
            title,
            authors,
            publisher: notices.publisher(&self.publisher),
            published_year: notices.year(&self.published_year),
            language_code: notices.language(&self.language_code),
            description: notices.description(&self.description),
            categories: category::categories(&self.categories),
            price,
            stock,
            notices: notices.found,
        })
    }
}

/// Line breaks and runs of white space become single blanks.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn key(text: &str) -> Result<Option<String>, Wrong> {
    let key = values::text(text, 0..=100).map_err(|error| ("key", error.to_string()))?;
    Ok(Some(key).filter(|key| !key.is_empty()))
}

fn authors(names: &[String]) -> Result<Authors, Wrong> {
    let names = names.iter().map(|name| one_line(name)).filter(|name| !name.is_empty());
    // Counts before it reads: what is refused is refused cheaply.
    let names: Vec<String> = names.take(Authors::MAX + 1).collect();
    let names = names.iter().map(|name| Authors::parse_name(name)).collect::<Result<_, _>>();
    let names = names.map_err(|error| ("authors", format!("each name {error}")))?;
    Authors::new(names).map_err(|error| ("authors", error.to_string()))
}

fn price(text: &str, currency: &str) -> Result<Money, Wrong> {
    let currency: Currency = (currency.trim().to_ascii_uppercase().parse())
        .map_err(|_| ("currency_code", "must be an ISO 4217 code, such as EUR".to_owned()))?;
    let wrong = |why: &str| ("price", why.to_owned());
    let amount = text.trim().replacen(',', ".", 1);
    if amount.is_empty() {
        return Err(wrong("is required"));
    }
    let decimals = amount.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    if !amount.starts_with(|first: char| first.is_ascii_digit()) || decimals > 2 {
        return Err(wrong("must be an amount with at most two decimals, such as 12.90"));
    }
    let price: Money =
        format!("{amount} {currency}").parse().map_err(|error: values::MoneyError| match error {
            values::MoneyError::Malformed | values::MoneyError::Currencies(..) => {
                wrong("must be an amount with at most two decimals, such as 12.90")
            }
            values::MoneyError::Overflow | values::MoneyError::Decimals(_) => wrong(&error.to_string()),
        })?;
    if price.minor_units() > 0 { Ok(price) } else { Err(wrong("must be above zero")) }
}

fn stock(text: &str) -> Result<Option<i64>, Wrong> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let copies = whole_number(text).filter(|copies| (0..=MAX_STOCK).contains(copies));
    copies.map(Some).ok_or_else(|| ("stock", format!("must be a number of copies, 0 to {MAX_STOCK}")))
}

/// `12`, `-380`, and `1925.0`, as spreadsheets write it.
fn whole_number(text: &str) -> Option<i64> {
    let text = text.trim();
    let whole = text.split_once('.').map_or(Some(text), |(whole, zeros)| {
        (!zeros.is_empty() && zeros.bytes().all(|byte| byte == b'0')).then_some(whole)
    })?;
    if whole.starts_with('+') { None } else { whole.parse().ok() }
}

/// Collects what is left out of a row.
struct Notices {
    number: i64,
    found: Vec<Report>,
}

impl Notices {
    fn note<T: Default>(&mut self, field: &'static str, reason: &(impl ToString + ?Sized)) -> T {
        self.found.push(Report { number: self.number, field, reason: reason.to_string() });
        T::default()
    }

    fn isbn(&mut self, text: &str) -> Option<Isbn> {
        if text.trim().is_empty() {
            return None;
        }
        Isbn::repair(text).map_or_else(|error| self.note("isbn", &error), Some)
    }

    fn publisher(&mut self, text: &str) -> String {
        values::text(&one_line(text), 0..=200).unwrap_or_else(|error| self.note("publisher", &error))
    }

    fn year(&mut self, text: &str) -> PublishedYear {
        if text.trim().is_empty() {
            return PublishedYear::default();
        }
        let year = whole_number(text).and_then(|year| i32::try_from(year).ok());
        let year = year.and_then(|year| PublishedYear::try_from(year).ok());
        year.unwrap_or_else(|| self.note("published_year", "must be a year from -4000 to 2100"))
    }

    fn language(&mut self, text: &str) -> LanguageCode {
        if text.trim().is_empty() {
            return LanguageCode::default();
        }
        language::tag(text).unwrap_or_else(|| {
            self.note("language_code", "must be one language of BCP 47 or ISO 639-2, such as en-GB or eng")
        })
    }

    fn description(&mut self, text: &str) -> Description {
        text.replace('\t', " ").parse().unwrap_or_else(|error| self.note("description", &error))
    }
}

#[cfg(test)]
mod tests;
