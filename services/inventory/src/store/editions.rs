//! What is known of editions, and who may say otherwise.

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, SqlErr};
use values::{EditionId, ShopId, WorkId};

use super::{
    books::{COLUMNS, EditionRow},
    sql, stored, works,
};
use crate::domain::{Authors, Categories, Facts, Standing};

/// What is known of a locked edition of a locked work.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) work: WorkId,
    pub(crate) facts: Facts,
    pub(crate) categories: Categories,
    pub(crate) etag: String,
}

impl TryFrom<EditionRow> for Known {
    type Error = DbErr;

    fn try_from(row: EditionRow) -> Result<Self, DbErr> {
        let etag = row.etag();
        Ok(Self {
            work: WorkId::from_uuid(row.work_id),
            facts: Facts {
                title: row.title,
                authors: stored(Authors::new(row.authors))?,
                isbn: row.isbn.map(|isbn| stored(isbn.parse())).transpose()?,
                publisher: row.publisher,
                published_year: stored(row.published_year.try_into())?,
                language_code: stored(row.language_code.parse())?,
                description: stored(row.description.parse())?,
            },
            categories: categories(&row.categories)?,
            etag,
        })
    }
}

fn categories(names: &[String]) -> Result<Categories, DbErr> {
    let parsed = names.iter().map(|name| stored(name.parse())).collect::<Result<_, _>>()?;
    stored(Categories::new(parsed).ok_or("has too many categories"))
}

/// Locks an edition after its work, like whoever adds an offer of it. `None` if it moved to another work meanwhile: the
/// transaction must be rolled back then, and tried again.
pub(crate) async fn lock(tx: &impl ConnectionTrait, edition: EditionId) -> Result<Option<Known>, DbErr> {
    let lock_work = sql(
        "SELECT works.id FROM works JOIN editions ON editions.work_id = works.id WHERE editions.id = $1
         FOR NO KEY UPDATE OF works",
        [edition.uuid().into()],
    );
    let Some(work) = tx.query_one_raw(lock_work).await? else { return Ok(None) };
    let work = WorkId::from_uuid(work.try_get_by_index(0)?);
    let lock = format!(
        "SELECT {COLUMNS} FROM editions JOIN works ON works.id = editions.work_id
         WHERE editions.id = $1 AND works.id = $2
         FOR NO KEY UPDATE OF editions"
    );
    let lock = sql(&lock, [edition.uuid().into(), work.uuid().into()]);
    EditionRow::find_by_statement(lock).one(tx).await?.map(Known::try_from).transpose()
}

#[derive(FromQueryResult)]
struct Alone {
    with_edition: bool,
    with_work: bool,
}

/// Whether other shops offer a locked edition, or others of a locked work.
pub(crate) async fn standing(
    tx: &impl ConnectionTrait,
    shop: ShopId,
    edition: EditionId,
    work: WorkId,
    manages: bool,
) -> Result<Standing, DbErr> {
    let read = sql(
        "SELECT NOT EXISTS (
                    SELECT FROM offers WHERE edition_id = $2 AND shop_id <> $1 AND withdrawn_at IS NULL
                ) AS with_edition,
                NOT EXISTS (
                    SELECT FROM offers JOIN editions ON editions.id = offers.edition_id
                    WHERE editions.work_id = $3 AND offers.shop_id <> $1 AND offers.withdrawn_at IS NULL
                ) AS with_work",
        [shop.uuid().into(), edition.uuid().into(), work.uuid().into()],
    );
    let alone = Alone::find_by_statement(read).one(tx).await?;
    let Alone { with_edition, with_work } = alone.unwrap_or(Alone { with_edition: false, with_work: false });
    Ok(Standing { alone_with_edition: with_edition, alone_with_work: with_work, manages })
}

/// Where an edition was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// It is an edition of this work, which is locked.
    To(WorkId),
    /// Another edition has the ISBN: the transaction must be rolled back.
    IsbnTaken,
    /// Another transaction was in the way: to be rolled back and tried again.
    Raced,
}

/// Writes what is known of a locked edition from now on. It moves to the work that its title and authors name, which is
/// made if it is missing and takes the categories over if it has none.
///
/// The second work is locked out of order: of two that move editions to and fro at once, Postgres lets one fail.
pub(crate) async fn write(
    tx: &impl ConnectionTrait,
    edition: EditionId,
    known: &Known,
    facts: &Facts,
) -> Result<Written, DbErr> {
    let mut work = known.work;
    if facts.is_spelled_otherwise(&known.facts) {
        works::respell(tx, work, &facts.title, &facts.authors).await?;
    } else if facts.work() != known.facts.work() {
        match works::lock_or_make(tx, &facts.title, &facts.authors).await? {
            Some(other) => work = other,
            None => return Ok(Written::Raced),
        }
        works::fill_categories(tx, work, &known.categories).await?;
    }
    let write = sql(
        "UPDATE editions
         SET work_id = $2, isbn = $3, publisher = $4, published_year = $5, language_code = $6, description = $7
         WHERE id = $1",
        [
            edition.uuid().into(),
            work.uuid().into(),
            facts.isbn.as_ref().map(ToString::to_string).into(),
            facts.publisher.as_str().into(),
            facts.published_year.get().into(),
            facts.language_code.as_str().into(),
            facts.description.as_str().into(),
        ],
    );
    match tx.execute_raw(write).await {
        Ok(_) => Ok(Written::To(work)),
        Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => {
            Ok(Written::IsbnTaken)
        }
        Err(error) => Err(error),
    }
}

/// The categories of a locked work.
pub(crate) async fn categories_of(tx: &impl ConnectionTrait, work: WorkId) -> Result<Categories, DbErr> {
    let read = sql("SELECT category FROM work_categories WHERE work_id = $1", [work.uuid().into()]);
    let rows = tx.query_all_raw(read).await?;
    let names: Vec<String> = rows.iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, _>>()?;
    categories(&names)
}
