use std::collections::BTreeMap;

use anyhow::Result;
use sqlx::{PgConnection, query_as};
use uuid::Uuid;
use values::{ShopId, UserId};

use crate::{
    Check, Report, Service,
    books::{Books, PAGE},
};

/// A shop and a user.
type Key = (Uuid, Uuid);

/// Who works in which shop, by inventory, against the copy that order goes by: both page by page, side by side.
pub(crate) async fn look(books: &mut Books, report: &mut Report) -> Result<()> {
    let (inventory, order) = books.two(Service::Inventory, Service::Order)?;
    let mut after = (Uuid::nil(), Uuid::nil());
    loop {
        let members = page(&mut *inventory, after).await?;
        let copies = page(&mut *order, after).await?;
        // As far as both pages reach.
        let full = usize::try_from(PAGE)?;
        let ends =
            [&members, &copies].map(|page| if page.len() < full { None } else { page.last_key_value() });
        let end = ends.into_iter().flatten().map(|(key, _)| *key).min();
        let reach = |key: &Key| end.is_none_or(|end| *key <= end);
        report.looked(Check::Members, members.keys().filter(|key| reach(key)).count());
        for (key, role) in members.iter().filter(|(key, _)| reach(key)) {
            let copy = copies.get(key);
            if copy != Some(role) {
                tell(*key, &format!("is {role}, and order knows {copy:?}"), report);
            }
        }
        for (key, role) in copies.iter().filter(|(key, _)| reach(key) && !members.contains_key(key)) {
            tell(*key, &format!("works there no more, and order knows {role}"), report);
        }
        let Some(end) = end else { return Ok(()) };
        after = end;
    }
}

async fn page(db: &mut PgConnection, after: Key) -> Result<BTreeMap<Key, String>> {
    let rows: Vec<(Uuid, Uuid, String)> = query_as(
        "SELECT shop_id, user_id, role FROM shop_members
         WHERE (shop_id, user_id) > ($1, $2) AND role IS NOT NULL ORDER BY shop_id, user_id LIMIT $3",
    )
    .bind(after.0)
    .bind(after.1)
    .bind(PAGE)
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|(shop, user, role)| ((shop, user), role)).collect())
}

fn tell((shop, user): Key, wrong: &str, report: &mut Report) {
    let wrong = format!("{} {wrong}", UserId::from_uuid(user));
    report.violation(Check::Members, ShopId::from_uuid(shop), wrong);
}
