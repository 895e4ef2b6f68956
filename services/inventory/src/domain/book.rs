use std::{fmt, str::FromStr};

use serde::Serialize;
use values::{Fingerprint, TextError};

/// Who wrote a work, in the order of the title page: at most fifty names of at most 200 characters; none where nobody knows.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Authors(Vec<String>);

/// The names can't be authors.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("must have at most {} names", Authors::MAX)]
pub(crate) struct AuthorsError;

impl Authors {
    /// The most names.
    pub(crate) const MAX: usize = 50;

    /// Takes parsed names.
    ///
    /// # Errors
    /// Too many.
    pub(crate) fn new(names: Vec<String>) -> Result<Self, AuthorsError> {
        if names.len() <= Self::MAX { Ok(Self(names)) } else { Err(AuthorsError) }
    }

    /// One name.
    pub(crate) fn parse_name(text: &str) -> Result<String, TextError> {
        values::text(text, 1..=200)
    }

    /// The names.
    #[must_use]
    pub(crate) fn names(&self) -> &[String] {
        &self.0
    }
}

/// By what a work is recognised: its title and authors, whatever their case and white space.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct WorkIdentity(Fingerprint);

impl WorkIdentity {
    /// The identity of the work of this title by these authors.
    #[must_use]
    pub(crate) fn of(title: &str, authors: &Authors) -> Self {
        let authors: Vec<String> = authors.0.iter().map(|name| fold(name)).collect();
        Self(Fingerprint::of(&(fold(title), authors)))
    }

    /// The bytes to store.
    #[must_use]
    pub(crate) const fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

fn fold(text: &str) -> String {
    text.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

/// What kind of book it is: lower-case words joined by hyphens, `science-fiction`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub(crate) struct Category(String);

/// The text can't be a category.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "must be lower-case words of a-z 0-9 joined by hyphens, at most {} characters",
    Category::MAX_CHARACTERS
)]
pub(crate) struct CategoryError;

impl Category {
    /// The longest category.
    pub(crate) const MAX_CHARACTERS: usize = 50;

    /// The category as given.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Category {
    type Err = CategoryError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let word = |word: &str| {
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        if text.len() <= Self::MAX_CHARACTERS && text.split('-').all(word) {
            Ok(Self(text.to_owned()))
        } else {
            Err(CategoryError)
        }
    }
}

impl fmt::Display for Category {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A work's categories: at most ten, sorted, none twice.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub(crate) struct Categories(Vec<Category>);

impl Categories {
    /// The most categories.
    pub(crate) const MAX: usize = 10;

    /// Takes parsed categories; `None` if there are too many.
    #[must_use]
    pub(crate) fn new(mut categories: Vec<Category>) -> Option<Self> {
        if categories.len() > Self::MAX {
            return None;
        }
        categories.sort();
        categories.dedup();
        Some(Self(categories))
    }

    /// Their names.
    #[must_use]
    pub(crate) fn names(&self) -> Vec<&str> {
        self.0.iter().map(Category::as_str).collect()
    }
}

/// BCP 47 tag of a language, well-formed: `en`, `zh-Hant`, `pt-BR`. Empty where it isn't known.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub(crate) struct LanguageCode(String);

/// The text is no language tag.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "must be a BCP 47 language tag, such as en or pt-BR, of at most {} characters",
    LanguageCode::MAX_CHARACTERS
)]
pub(crate) struct LanguageCodeError;

impl LanguageCode {
    /// The longest tag that every reader must accept (RFC 5646, section 4.4.1).
    pub(crate) const MAX_CHARACTERS: usize = 35;

    /// The tag as given.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LanguageCode {
    type Err = LanguageCodeError;

    /// Checks the shape that RFC 5646 gives all tags, not whether the subtags are registered.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut subtags = text.split('-');
        let language = subtags.next().is_some_and(|tag| {
            (2..=8).contains(&tag.len()) && tag.bytes().all(|byte| byte.is_ascii_alphabetic())
        });
        let others = subtags
            .all(|tag| (1..=8).contains(&tag.len()) && tag.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        if text.is_empty() || (text.len() <= Self::MAX_CHARACTERS && language && others) {
            Ok(Self(text.to_owned()))
        } else {
            Err(LanguageCodeError)
        }
    }
}

/// What a book is about, in paragraphs: at most 10,000 characters, perhaps none.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub(crate) struct Description(String);

impl Description {
    /// The longest description.
    pub(crate) const MAX_CHARACTERS: usize = 10_000;

    /// The text as given, without the white space around it.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Description {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim().replace("\r\n", "\n");
        if text.chars().count() > Self::MAX_CHARACTERS {
            return Err(TextError::Length(0..=Self::MAX_CHARACTERS));
        }
        // Line breaks part paragraphs; a text for people has no other control characters.
        if text.chars().any(|character| character.is_control() && character != '\n') {
            return Err(TextError::ControlCharacter);
        }
        Ok(Self(text))
    }
}

/// Year of an edition, negative before the common era; 0 where it isn't known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub(crate) struct PublishedYear(i32);

/// The number is no year of a book.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("must be -4000 to 2100, 0 where it isn't known")]
pub(crate) struct PublishedYearError;

impl PublishedYear {
    /// The number.
    #[must_use]
    pub(crate) const fn get(self) -> i32 {
        self.0
    }
}

impl TryFrom<i32> for PublishedYear {
    type Error = PublishedYearError;

    fn try_from(year: i32) -> Result<Self, Self::Error> {
        if (-4000..=2100).contains(&year) { Ok(Self(year)) } else { Err(PublishedYearError) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authors(names: &[&str]) -> Authors {
        Authors::new(names.iter().map(ToString::to_string).collect()).expect("authors")
    }

    #[test]
    fn a_work_is_recognised_by_title_and_authors_whatever_their_case() {
        let emma = WorkIdentity::of("Emma", &authors(&["Jane Austen"]));
        assert_eq!(emma, WorkIdentity::of("EMMA", &authors(&["jane  austen"])));
        assert_ne!(emma, WorkIdentity::of("Emma", &authors(&["Charlotte Brontë"])));
        assert_ne!(emma, WorkIdentity::of("Emma", &authors(&["Jane Austen", "Charlotte Brontë"])));
        assert_ne!(emma, WorkIdentity::of("Emma Jane", &authors(&["Austen"])));
    }

    #[test]
    fn categories_are_words_joined_by_hyphens() {
        for (text, valid) in [
            ("science-fiction", true),
            ("20th-century", true),
            ("", false),
            ("-", false),
            ("Fiction", false),
            ("science--fiction", false),
            ("science fiction", false),
            (&"x".repeat(50), true),
            (&"x".repeat(51), false),
        ] {
            assert_eq!(text.parse::<Category>().is_ok(), valid, "{text}");
        }
    }

    #[test]
    fn categories_are_kept_sorted_and_once_each() {
        let parsed =
            |texts: &[&str]| texts.iter().map(|text| text.parse().expect("a category")).collect::<Vec<_>>();
        let categories = Categories::new(parsed(&["poetry", "classics", "poetry"])).expect("few enough");
        assert_eq!(categories.names(), ["classics", "poetry"]);
        assert_eq!(Categories::new(vec!["x".parse().expect("a category"); 11]), None);
    }

    #[test]
    fn language_tags_are_well_formed_or_empty() {
        for (text, valid) in [
            ("", true),
            ("en", true),
            ("pt-BR", true),
            ("zh-Hant-TW", true),
            ("e", false),
            ("en_GB", false),
            ("en-", false),
            ("12", false),
            ("en-toolongsubtag", false),
        ] {
            assert_eq!(text.parse::<LanguageCode>().is_ok(), valid, "{text}");
        }
    }

    #[test]
    fn descriptions_have_paragraphs_and_no_other_control_characters() {
        assert_eq!(
            " One.\r\n\r\nTwo.\n".parse::<Description>().as_ref().map(Description::as_str),
            Ok("One.\n\nTwo.")
        );
        assert_eq!("a\u{7}b".parse::<Description>(), Err(TextError::ControlCharacter));
        assert!("ä".repeat(10_000).parse::<Description>().is_ok());
        assert!("ä".repeat(10_001).parse::<Description>().is_err());
    }

    #[test]
    fn years_reach_from_clay_to_next_century() {
        for (year, valid) in [(-4001, false), (-4000, true), (0, true), (2100, true), (2101, false)] {
            assert_eq!(PublishedYear::try_from(year).is_ok(), valid, "{year}");
        }
    }
}
