//! What the rows of a feed become, held against what a shop offers already.

use std::collections::HashMap;

use values::{EditionId, Isbn, Money, OfferId, WorkId};

use super::{
    Categories, StockLevel,
    feed::{Entry, Report},
};

/// What is known of the books that some rows may be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Intake {
    offers: HashMap<OfferId, Offered>,
    by_isbn: HashMap<Isbn, OfferId>,
    by_key: HashMap<String, OfferId>,
    editions: HashMap<Isbn, Known>,
    rows: HashMap<OfferId, i64>,
    written: Written,
}

/// An offer of the shop.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Offered {
    pub(crate) isbn: Option<Isbn>,
    pub(crate) key: Option<String>,
    pub(crate) price: Money,
    pub(crate) is_withdrawn: bool,
    pub(crate) edition: Known,
    /// Of the room that the feed is of, if it ever held the offer.
    pub(crate) shelf: Option<Fed>,
}

/// What is on a shelf, and how many copies the last feed said there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fed {
    pub(crate) level: StockLevel,
    pub(crate) fed: Option<i64>,
}

/// An edition that is known, and what isn't known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each says of one field whether it is empty")]
pub(crate) struct Known {
    pub(crate) id: EditionId,
    pub(crate) work: WorkId,
    pub(crate) lacks_publisher: bool,
    pub(crate) lacks_year: bool,
    pub(crate) lacks_language: bool,
    pub(crate) lacks_description: bool,
    pub(crate) lacks_categories: bool,
}

/// What is to be written for the rows that were taken.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Written {
    /// Editions that nobody offered yet. Their works may be known.
    pub(crate) editions: Vec<(EditionId, Entry)>,
    /// Offers that the shop didn't have.
    pub(crate) offers: Vec<NewOffer>,
    /// Offers whose price or key changed.
    pub(crate) changed: Vec<(OfferId, Money, Option<String>)>,
    /// Editions some of whose empty fields the rows fill.
    pub(crate) filled: Vec<(EditionId, Option<Isbn>, Entry)>,
    /// Categories of works that have none.
    pub(crate) categories: Vec<(WorkId, Categories)>,
    /// What the feed says there is.
    pub(crate) stock: Vec<Counted>,
    /// Which row was which offer.
    pub(crate) marks: Vec<(OfferId, i64)>,
}

/// An offer to make.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NewOffer {
    pub(crate) id: OfferId,
    pub(crate) edition: EditionId,
    pub(crate) price: Money,
    pub(crate) key: Option<String>,
}

/// A shelf whose copies the feed knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) offer: OfferId,
    /// Copies in (above zero) or out (below); zero where only the feed's figure changes.
    pub(crate) change: i64,
    /// What the feed says; `None` for a shelf to open of which it says nothing.
    pub(crate) fed: Option<i64>,
    /// Whether the shelf has to be opened.
    pub(crate) is_new: bool,
}

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It made an offer.
    Created,
    /// It changed something.
    Updated,
    /// It said nothing new.
    Unchanged,
}

impl Intake {
    /// Adds an offer of the shop, and which row of the feed it has been already.
    pub(crate) fn add_offer(&mut self, id: OfferId, offered: Offered, row: Option<i64>) {
        if let Some(isbn) = offered.isbn {
            self.by_isbn.insert(isbn, id);
            self.editions.insert(isbn, offered.edition);
        }
        if let Some(key) = &offered.key {
            self.by_key.insert(key.clone(), id);
        }
        if let Some(row) = row {
            self.rows.insert(id, row);
        }
        self.offers.insert(id, offered);
    }

    /// Adds an edition, whoever offers it.
    pub(crate) fn add_edition(&mut self, isbn: Isbn, edition: Known) {
        self.editions.insert(isbn, edition);
    }

    /// The works of which the entries may fill something in, to be locked before any shelf is.
    pub(crate) fn works_to_lock(&self, entries: &[Entry]) -> Vec<WorkId> {
        let known = entries.iter().filter_map(|entry| {
            let offered = self.known_as(entry).map(|offered| offered.edition);
            let edition = offered.or_else(|| self.editions.get(&entry.isbn?).copied())?;
            edition.may_learn(entry).then_some(edition.work)
        });
        known.collect()
    }

    /// The offers whose shelves the entries may count anew, to be locked before they are decided.
    pub(crate) fn shelves_to_lock(&self, entries: &[Entry]) -> Vec<OfferId> {
        let counted = entries.iter().filter_map(|entry| {
            let id = self.id_of(entry)?;
            let fed = self.offers.get(&id)?.shelf?.fed;
            (entry.stock.is_some() && entry.stock != fed).then_some(id)
        });
        counted.collect()
    }

    /// What is on a shelf now that it is locked.
    pub(crate) fn count(&mut self, id: OfferId, level: StockLevel) {
        if let Some(shelf) = self.offers.get_mut(&id).and_then(|offered| offered.shelf.as_mut()) {
            shelf.level = level;
        }
    }

    /// What is to be written.
    pub(crate) const fn written(&self) -> &Written {
        &self.written
    }

    fn id_of(&self, entry: &Entry) -> Option<OfferId> {
        let by_isbn = entry.isbn.and_then(|isbn| self.by_isbn.get(&isbn));
        by_isbn.or_else(|| self.by_key.get(entry.key.as_ref()?)).copied()
    }

    fn known_as(&self, entry: &Entry) -> Option<&Offered> {
        self.offers.get(&self.id_of(entry)?)
    }

    /// Decides what an entry becomes, each seeing what those before it did. Adds to its notices.
    ///
    /// # Errors
    /// Nothing of it is taken.
    pub(crate) fn take(&mut self, entry: &mut Entry) -> Result<Outcome, Report> {
        let by_isbn = entry.isbn.and_then(|isbn| self.by_isbn.get(&isbn)).copied();
        let by_key = entry.key.as_ref().and_then(|key| self.by_key.get(key)).copied();
        match (by_isbn, by_key) {
            (Some(one), Some(other)) if one != other => {
                Err(entry.reject("key", "belongs to another book of the shop than the ISBN"))
            }
            (Some(id), _) => self.update(id, entry, "isbn"),
            (None, Some(id)) => self.update(id, entry, "key"),
            (None, None) => Ok(self.create(entry)),
        }
    }

    fn update(&mut self, id: OfferId, entry: &mut Entry, found_by: &'static str) -> Result<Outcome, Report> {
        let Some(mut offered) = self.offers.get(&id).cloned() else { return Ok(Outcome::Unchanged) };
        if let Some(row) = self.rows.get(&id).filter(|&&row| row != entry.number || self.is_taken(id)) {
            return Err(entry.reject(found_by, format!("is the same book as row {row}")));
        }
        if offered.is_withdrawn {
            return Err(
                entry.reject(found_by, "is a book that the shop has withdrawn: add it again to offer it")
            );
        }
        if offered.isbn.is_some() && entry.isbn.is_some() && offered.isbn != entry.isbn {
            return Err(entry.reject("isbn", "is another than that of the book with this key"));
        }
        let counted = counted(id, offered.shelf, entry)?;
        let new_isbn = entry.isbn.filter(|isbn| offered.isbn.is_none() && self.is_free(*isbn, entry));
        let changed = offered.price != entry.price || (entry.key.is_some() && offered.key != entry.key);
        let filled = new_isbn.is_some() || offered.edition.learns_from(entry);
        let categorised = offered.edition.lacks_categories && !entry.categories.names().is_empty();

        let written = &mut self.written;
        if changed {
            if let (Some(old), Some(new)) = (&offered.key, &entry.key)
                && old != new
            {
                self.by_key.remove(old);
            }
            offered.key = entry.key.clone().or(offered.key);
            offered.price = entry.price;
            written.changed.push((id, offered.price, offered.key.clone()));
        }
        if filled {
            written.filled.push((offered.edition.id, new_isbn, entry.clone()));
            offered.isbn = offered.isbn.or(new_isbn);
        }
        if categorised {
            written.categories.push((offered.edition.work, entry.categories.clone()));
        }
        written.stock.extend(counted);
        written.marks.push((id, entry.number));
        self.add_offer(id, offered, Some(entry.number));
        let says_something = changed || filled || categorised || counted.is_some();
        Ok(if says_something { Outcome::Updated } else { Outcome::Unchanged })
    }

    fn create(&mut self, entry: &Entry) -> Outcome {
        let id = OfferId::new();
        let known = entry.isbn.and_then(|isbn| self.editions.get(&isbn)).copied();
        let edition = known.unwrap_or_else(|| Known::new(entry));
        let written = &mut self.written;
        if known.is_none() {
            written.editions.push((edition.id, entry.clone()));
        } else {
            if edition.learns_from(entry) {
                written.filled.push((edition.id, None, entry.clone()));
            }
            if edition.lacks_categories && !entry.categories.names().is_empty() {
                written.categories.push((edition.work, entry.categories.clone()));
            }
        }
        let (price, key) = (entry.price, entry.key.clone());
        written.offers.push(NewOffer { id, edition: edition.id, price, key: key.clone() });
        let change = entry.stock.unwrap_or_default();
        written.stock.push(Counted { offer: id, change, fed: entry.stock, is_new: true });
        written.marks.push((id, entry.number));
        let offered = Offered { isbn: entry.isbn, key, price, is_withdrawn: false, edition, shelf: None };
        self.add_offer(id, offered, Some(entry.number));
        Outcome::Created
    }

    /// Whether a row that was taken just now was this offer.
    fn is_taken(&self, id: OfferId) -> bool {
        self.written.marks.iter().any(|(taken, _)| *taken == id)
    }

    /// Whether no edition has this ISBN, which a book without one is to get. Notices it otherwise.
    fn is_free(&self, isbn: Isbn, entry: &mut Entry) -> bool {
        let is_free = !self.editions.contains_key(&isbn);
        if !is_free {
            let notice = entry.reject("isbn", "belongs to another edition and is left out");
            entry.notices.push(notice);
        }
        is_free
    }
}

/// What the feed's figure does to a shelf: the first is a count, each further one tells what changed since.
fn counted(id: OfferId, shelf: Option<Fed>, entry: &Entry) -> Result<Option<Counted>, Report> {
    let Some(stock) = entry.stock else { return Ok(None) };
    let Some(Fed { level, fed }) = shelf else {
        return Ok(Some(Counted { offer: id, change: stock, fed: Some(stock), is_new: true }));
    };
    if fed == Some(stock) {
        return Ok(None);
    }
    let change = stock - fed.unwrap_or(level.on_hand);
    if level.on_hand + change < level.reserved {
        return Err(entry.reject("stock", "leaves less than is reserved for orders"));
    }
    Ok(Some(Counted { offer: id, change, fed: Some(stock), is_new: false }))
}

impl Known {
    /// An edition that is made of an entry, of which there is nothing to learn for the rows after it.
    fn new(entry: &Entry) -> Self {
        Self {
            id: EditionId::new(),
            work: WorkId::new(),
            lacks_publisher: entry.publisher.is_empty(),
            lacks_year: entry.published_year.get() == 0,
            lacks_language: entry.language_code.as_str().is_empty(),
            lacks_description: entry.description.as_str().is_empty(),
            lacks_categories: false,
        }
    }

    fn learns_from(&self, entry: &Entry) -> bool {
        (self.lacks_publisher && !entry.publisher.is_empty())
            || (self.lacks_year && entry.published_year.get() != 0)
            || (self.lacks_language && !entry.language_code.as_str().is_empty())
            || (self.lacks_description && !entry.description.as_str().is_empty())
    }

    fn may_learn(&self, entry: &Entry) -> bool {
        self.learns_from(entry) || (self.lacks_categories && !entry.categories.names().is_empty())
    }
}

impl Entry {
    fn reject(&self, field: &'static str, reason: impl Into<String>) -> Report {
        Report { number: self.number, field, reason: reason.into() }
    }
}

#[cfg(test)]
mod repeats;
#[cfg(test)]
mod tests;
