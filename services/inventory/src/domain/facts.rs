use values::Isbn;

use super::{Authors, Categories, Description, LanguageCode, PublishedYear, WorkIdentity};

/// What is known of an edition, the title and authors of its work among it. The empty text, no authors and the year 0 say
/// that nobody knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) title: String,
    pub(crate) authors: Authors,
    pub(crate) isbn: Option<Isbn>,
    pub(crate) publisher: String,
    pub(crate) published_year: PublishedYear,
    pub(crate) language_code: LanguageCode,
    pub(crate) description: Description,
}

/// What somebody says instead. Of what is `None` nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Corrections {
    pub(crate) title: Option<String>,
    pub(crate) authors: Option<Authors>,
    #[expect(clippy::option_option, reason = "nothing may be said of an ISBN, or that there is none")]
    pub(crate) isbn: Option<Option<Isbn>>,
    pub(crate) publisher: Option<String>,
    pub(crate) published_year: Option<PublishedYear>,
    pub(crate) language_code: Option<LanguageCode>,
    pub(crate) description: Option<Description>,
}

/// Whose word somebody's stands against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// No other shop offers the edition.
    pub(crate) alone_with_edition: bool,
    /// No other shop offers any edition of the work.
    pub(crate) alone_with_work: bool,
    /// Looks after the whole catalogue.
    pub(crate) manages: bool,
}

/// Why what is known stays.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// Others sell by what these fields say.
    #[error("other shops offer the edition too")]
    OfferedByOthers(Vec<&'static str>),
    /// Another ISBN is another edition.
    #[error("the edition has an ISBN")]
    IsbnIsKnown,
}

impl Facts {
    /// What is known after these `corrections`.
    ///
    /// Everybody fills what is empty; an edition's own shop, or who manages the catalogue, changes the rest.
    ///
    /// # Errors
    /// All that the caller may not change.
    pub(crate) fn corrected(&self, corrections: Corrections, standing: Standing) -> Result<Self, Refused> {
        let mut others = Vec::new();
        let of_edition = standing.alone_with_edition || standing.manages;
        let mut may = |field, empty: bool, is_theirs: bool| {
            if !empty && !is_theirs && !others.contains(&field) {
                others.push(field);
            }
        };
        let mut facts = self.clone();
        replace(&mut facts.title, corrections.title, || may("title", false, of_edition));
        replace(&mut facts.authors, corrections.authors, || {
            may("authors", self.authors.names().is_empty(), of_edition);
        });
        if facts.is_spelled_otherwise(self) {
            // All editions of the work are spelled like that.
            may("title", false, standing.alone_with_work || standing.manages);
        }
        replace(&mut facts.publisher, corrections.publisher, || {
            may("publisher", self.publisher.is_empty(), of_edition);
        });
        replace(&mut facts.published_year, corrections.published_year, || {
            may("published_year", self.published_year == PublishedYear::default(), of_edition);
        });
        replace(&mut facts.language_code, corrections.language_code, || {
            may("language_code", self.language_code == LanguageCode::default(), of_edition);
        });
        replace(&mut facts.description, corrections.description, || {
            may("description", self.description == Description::default(), of_edition);
        });
        replace(&mut facts.isbn, corrections.isbn, || ());
        if self.isbn.is_some() && facts.isbn != self.isbn {
            return Err(Refused::IsbnIsKnown);
        }
        if others.is_empty() { Ok(facts) } else { Err(Refused::OfferedByOthers(others)) }
    }

    /// By what its work is recognised.
    pub(crate) fn work(&self) -> WorkIdentity {
        WorkIdentity::of(&self.title, &self.authors)
    }

    /// Whether it is of the same work, written in another way.
    pub(crate) fn is_spelled_otherwise(&self, before: &Self) -> bool {
        (&self.title, &self.authors) != (&before.title, &before.authors) && self.work() == before.work()
    }
}

/// Puts `said` in the place of `known`, and tells if that changes it.
fn replace<T: PartialEq>(known: &mut T, said: Option<T>, changes: impl FnOnce()) {
    if let Some(said) = said
        && *known != said
    {
        *known = said;
        changes();
    }
}

/// Whether the categories of a work may be these.
///
/// # Errors
/// They are known, and other shops offer editions of the work.
pub(crate) fn recategorised(
    known: &Categories,
    said: &Categories,
    standing: Standing,
) -> Result<(), Refused> {
    if known == said || known.names().is_empty() || standing.alone_with_work || standing.manages {
        return Ok(());
    }
    Err(Refused::OfferedByOthers(vec!["categories"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOBODY: Standing = Standing { alone_with_edition: false, alone_with_work: false, manages: false };
    const ALONE_WITH_EDITION: Standing = Standing { alone_with_edition: true, ..NOBODY };
    const ALONE: Standing = Standing { alone_with_work: true, ..ALONE_WITH_EDITION };
    const MANAGER: Standing = Standing { manages: true, ..NOBODY };

    fn authors(names: &[&str]) -> Authors {
        Authors::new(names.iter().map(ToString::to_string).collect()).expect("authors")
    }

    fn isbn() -> Isbn {
        "9780141439587".parse().expect("an ISBN")
    }

    fn known() -> Facts {
        Facts {
            title: "Emma".to_owned(),
            authors: authors(&["Jane Austen"]),
            isbn: Some(isbn()),
            publisher: "Penguin".to_owned(),
            published_year: PublishedYear::try_from(2003).expect("a year"),
            language_code: "en".parse().expect("a tag"),
            description: "A comedy.".parse().expect("a text"),
        }
    }

    fn unknown() -> Facts {
        Facts {
            title: "Emma".to_owned(),
            authors: authors(&[]),
            isbn: None,
            publisher: String::new(),
            published_year: PublishedYear::default(),
            language_code: LanguageCode::default(),
            description: Description::default(),
        }
    }

    /// All that can be said of a book but its title.
    fn saying(facts: &Facts) -> Corrections {
        Corrections {
            title: None,
            authors: Some(facts.authors.clone()),
            isbn: Some(facts.isbn),
            publisher: Some(facts.publisher.clone()),
            published_year: Some(facts.published_year),
            language_code: Some(facts.language_code.clone()),
            description: Some(facts.description.clone()),
        }
    }

    #[test]
    fn everybody_fills_what_is_empty_and_repeats_what_is_known() {
        assert_eq!(unknown().corrected(saying(&known()), NOBODY), Ok(known()));
        assert_eq!(known().corrected(saying(&known()), NOBODY), Ok(known()));
        assert_eq!(known().corrected(Corrections::default(), NOBODY), Ok(known()));
    }

    #[test]
    fn what_is_known_is_changed_by_those_alone_with_it() {
        let said = Corrections { isbn: None, ..saying(&unknown()) };
        let said = Corrections { title: Some("Emma, abridged".to_owned()), ..said };
        let fields = ["title", "authors", "publisher", "published_year", "language_code", "description"];
        assert_eq!(known().corrected(said.clone(), NOBODY), Err(Refused::OfferedByOthers(fields.to_vec())));
        let changed = Facts { title: "Emma, abridged".to_owned(), isbn: known().isbn, ..unknown() };
        for standing in [ALONE_WITH_EDITION, MANAGER] {
            assert_eq!(known().corrected(said.clone(), standing), Ok(changed.clone()));
        }
    }

    #[test]
    fn another_spelling_is_for_those_alone_with_the_work() {
        let said = Corrections { title: Some("EMMA".to_owned()), ..Corrections::default() };
        for standing in [NOBODY, ALONE_WITH_EDITION] {
            let refused = Err(Refused::OfferedByOthers(vec!["title"]));
            assert_eq!(known().corrected(said.clone(), standing), refused);
        }
        for standing in [ALONE, MANAGER] {
            let spelled = known().corrected(said.clone(), standing).expect("a change");
            assert!(spelled.is_spelled_otherwise(&known()));
        }
    }

    #[test]
    fn nobody_changes_an_isbn() {
        let other = "9780140430103".parse().ok();
        for said in [None, other] {
            let said = Corrections { isbn: Some(said), ..Corrections::default() };
            assert_eq!(known().corrected(said, MANAGER), Err(Refused::IsbnIsKnown));
        }
    }

    #[test]
    fn categories_are_the_works() {
        let categories =
            |name: &str| Categories::new(vec![name.parse().expect("a category")]).expect("few enough");
        let (poetry, drama) = (categories("poetry"), categories("drama"));
        for standing in [NOBODY, ALONE_WITH_EDITION] {
            let refused = Err(Refused::OfferedByOthers(vec!["categories"]));
            assert_eq!(recategorised(&poetry, &drama, standing), refused);
            assert_eq!(recategorised(&poetry, &poetry, standing), Ok(()));
            assert_eq!(recategorised(&Categories::default(), &drama, standing), Ok(()));
        }
        for standing in [ALONE, MANAGER] {
            assert_eq!(recategorised(&poetry, &drama, standing), Ok(()));
        }
    }
}
