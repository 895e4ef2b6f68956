//! What editions are editions of.

use sea_orm::{ConnectionTrait, DbErr};
use values::WorkId;

use super::sql;
use crate::domain::{Authors, Categories, WorkIdentity};

/// Locks the work of this title by these authors, made if it is missing. `None` if another transaction was in the way.
pub(super) async fn lock_or_make(
    tx: &impl ConnectionTrait,
    title: &str,
    authors: &Authors,
) -> Result<Option<WorkId>, DbErr> {
    let identity = WorkIdentity::of(title, authors);
    let make = sql(
        "INSERT INTO works (id, title, authors, identity) VALUES ($1, $2, $3, $4)
         ON CONFLICT (identity) DO NOTHING",
        [
            WorkId::new().uuid().into(),
            title.into(),
            authors.names().to_vec().into(),
            identity.as_bytes().to_vec().into(),
        ],
    );
    tx.execute_raw(make).await?;
    let lock = sql(
        "SELECT id FROM works WHERE identity = $1 FOR NO KEY UPDATE",
        [identity.as_bytes().to_vec().into()],
    );
    let found = tx.query_one_raw(lock).await?;
    found.map(|work| Ok(WorkId::from_uuid(work.try_get_by_index(0)?))).transpose()
}

/// Writes title and authors of a locked work in another way, by which it is recognised all the same.
pub(super) async fn respell(
    tx: &impl ConnectionTrait,
    work: WorkId,
    title: &str,
    authors: &Authors,
) -> Result<(), DbErr> {
    let respell = sql(
        "UPDATE works SET title = $2, authors = $3 WHERE id = $1",
        [work.uuid().into(), title.into(), authors.names().to_vec().into()],
    );
    tx.execute_raw(respell).await.map(drop)
}

/// Gives the locked work its categories, if it has none.
pub(super) async fn fill_categories(
    tx: &impl ConnectionTrait,
    work: WorkId,
    categories: &Categories,
) -> Result<(), DbErr> {
    let names: Vec<String> = categories.names().into_iter().map(str::to_owned).collect();
    if names.is_empty() {
        return Ok(());
    }
    let fill = sql(
        "INSERT INTO work_categories (work_id, category, sort_title)
         SELECT works.id, category, works.sort_title
         FROM works, unnest($2::text[]) AS category
         WHERE works.id = $1 AND NOT EXISTS (SELECT FROM work_categories WHERE work_id = $1)",
        [work.uuid().into(), names.into()],
    );
    tx.execute_raw(fill).await?;
    Ok(())
}

/// Gives the locked work these categories and no others.
pub(crate) async fn set_categories(
    tx: &impl ConnectionTrait,
    work: WorkId,
    categories: &Categories,
) -> Result<(), DbErr> {
    let names: Vec<String> = categories.names().into_iter().map(str::to_owned).collect();
    let set = sql(
        "WITH gone AS (
             DELETE FROM work_categories WHERE work_id = $1 AND category <> ALL ($2)
         )
         INSERT INTO work_categories (work_id, category, sort_title)
         SELECT works.id, category, works.sort_title
         FROM works, unnest($2::text[]) AS category
         WHERE works.id = $1
         ON CONFLICT DO NOTHING",
        [work.uuid().into(), names.into()],
    );
    tx.execute_raw(set).await.map(drop)
}
