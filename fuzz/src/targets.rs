mod amounts;
mod certificates;
mod connections;
mod events;
mod feed_files;
mod feed_rows;
mod framing;
mod heads;
mod ids;
mod isbn;
mod mail_answers;
mod names;
mod page_tokens;
mod settings;
mod spiffe;
mod tokens;
mod traces;

use crate::Target;

/// Every target.
pub static TARGETS: &[Target] = &[
    ids::TARGET,
    amounts::TARGET,
    names::TARGET,
    isbn::TARGET,
    page_tokens::TARGET,
    tokens::TARGET,
    events::TARGET,
    feed_rows::TARGET,
    feed_files::TARGET,
    framing::TARGET,
    heads::TARGET,
    traces::TARGET,
    spiffe::TARGET,
    certificates::TARGET,
    settings::TARGET,
    mail_answers::TARGET,
    connections::TARGET,
];
