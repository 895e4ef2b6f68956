//! What several calls say of books.

use values::Violations;

use crate::domain::{Authors, AuthorsError, Categories, Category};

/// Counts before it reads, so that what is refused is answered with few words.
pub(super) fn parse_authors(violations: &mut Violations, wire: &[String]) -> Option<Authors> {
    if wire.len() > Authors::MAX {
        violations.add("authors", AuthorsError.to_string());
        return None;
    }
    let names: Vec<_> = (wire.iter().enumerate())
        .map(|(index, name)| violations.take(format!("authors[{index}]"), Authors::parse_name(name)))
        .collect();
    violations.take("authors", Authors::new(names.into_iter().collect::<Option<_>>()?))
}

/// Counts before it reads, too.
pub(super) fn parse_categories(violations: &mut Violations, wire: &[String]) -> Option<Categories> {
    if wire.len() > Categories::MAX {
        violations.add("categories", format!("must have at most {} elements", Categories::MAX));
        return None;
    }
    let names: Vec<_> = (wire.iter().enumerate())
        .map(|(index, name)| violations.take(format!("categories[{index}]"), name.parse::<Category>()))
        .collect();
    Categories::new(names.into_iter().collect::<Option<_>>()?)
}
