mod amounts;
mod ids;
mod isbn;
mod names;
mod page_tokens;

use crate::Target;

/// Every target.
pub static TARGETS: &[Target] =
    &[ids::TARGET, amounts::TARGET, names::TARGET, isbn::TARGET, page_tokens::TARGET];
