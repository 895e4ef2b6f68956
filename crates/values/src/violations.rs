use std::fmt;
use std::str::FromStr;

/// Everything that is wrong with a request, so that its sender learns it all at once.
///
/// Fields are named as in the contract: `items[2].offer_id`.
///
/// ```
/// # use values::{Isbn, Quantity, Violations};
/// let mut violations = Violations::new();
/// let isbn = violations.parse::<Isbn>("isbn", "12");
/// let quantity = violations.take("quantity", Quantity::try_from(0));
/// let refused = violations.finish(isbn.zip(quantity)).unwrap_err();
/// assert_eq!(refused.iter().map(|(field, _)| field).collect::<Vec<_>>(), ["isbn", "quantity"]);
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Violations(Vec<(String, String)>);

impl Violations {
    /// Nothing wrong so far.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Notes that `field` is wrong. The description must not repeat the value.
    pub fn add(&mut self, field: impl Into<String>, description: impl Into<String>) {
        self.0.push((field.into(), description.into()));
    }

    /// The parsed value, or a note of what is wrong with it.
    pub fn take<T, E: fmt::Display>(&mut self, field: impl Into<String>, parsed: Result<T, E>) -> Option<T> {
        parsed.map_err(|error| self.add(field, error.to_string())).ok()
    }

    /// Parses a required field.
    pub fn parse<T>(&mut self, field: impl Into<String>, text: &str) -> Option<T>
    where
        T: FromStr<Err: fmt::Display>,
    {
        if text.trim().is_empty() {
            self.add(field, "is required");
            return None;
        }
        self.take(field, text.parse())
    }

    /// The whole request if nothing was wrong. `parsed` is `None` only where a violation was noted.
    ///
    /// # Errors
    /// The violations.
    pub fn finish<T>(mut self, parsed: Option<T>) -> Result<T, Self> {
        match parsed {
            Some(parsed) if self.is_empty() => Ok(parsed),
            Some(_) => Err(self),
            None => {
                debug_assert!(!self.is_empty(), "a value is missing and nobody noted why");
                if self.is_empty() {
                    self.add("", "is malformed");
                }
                Err(self)
            }
        }
    }

    /// Whether nothing was wrong.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each wrong field with what is wrong about it, in the order in which they were found.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(field, description)| (field.as_str(), description.as_str()))
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (field, description)) in self.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(formatter, "{separator}{field} {description}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Violations {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Isbn, Quantity};

    #[test]
    fn every_wrong_field_is_named_in_order() {
        let mut violations = Violations::new();
        violations.parse::<Isbn>("items[0].isbn", "  ");
        violations.take("items[0].quantity", Quantity::try_from(0));
        let refused = violations.finish(None::<()>).unwrap_err();
        assert_eq!(refused.to_string(), "items[0].isbn is required; items[0].quantity must be 1 to 1000");
    }

    #[test]
    fn a_request_with_nothing_wrong_passes() {
        let mut violations = Violations::new();
        let quantity = violations.take("quantity", Quantity::try_from(2));
        assert_eq!(violations.finish(quantity).map(Quantity::get), Ok(2));
    }

    #[test]
    fn a_note_refuses_a_request_that_is_complete() {
        let mut violations = Violations::new();
        violations.add("items", "must not repeat an offer");
        assert!(violations.finish(Some(1)).is_err());
    }
}
