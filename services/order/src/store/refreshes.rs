//! What identity said has changed, until it has been asked for and written into the orders that are not shipped yet.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, Value};
use uuid::Uuid;
use values::{AddressId, OrderId, UserId};

use super::{known, rows::address_json, sql};
use crate::domain::ShippingAddress;

/// After this long no order can still be on its way into the database that was made of what identity said before: a call
/// has a deadline, and a statement a time limit.
const UNDER_WAY: Duration = Duration::from_mins(2);
/// When to ask again for what identity makes no sense of.
const PAUSE: Duration = Duration::from_secs(30);

/// What has changed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Subject {
    Address(AddressId),
    /// What the user is called.
    Name,
}

/// Something of a user's that has changed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Change {
    pub(crate) user: UserId,
    pub(crate) subject: Subject,
}

impl Change {
    const fn key(&self) -> Uuid {
        match self.subject {
            Subject::Address(address) => address.uuid(),
            Subject::Name => self.user.uuid(),
        }
    }
}

/// A change that is to be asked for now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due {
    pub(crate) change: Change,
    revision: i64,
    is_repeat: bool,
}

#[derive(FromQueryResult)]
struct Row {
    subject: Uuid,
    kind: String,
    user_id: Uuid,
    revision: i64,
    is_repeat: bool,
}

impl TryFrom<Row> for Due {
    type Error = DbErr;

    fn try_from(row: Row) -> Result<Self, DbErr> {
        let subject = known(match row.kind.as_str() {
            "ADDRESS" => Some(Subject::Address(AddressId::from_uuid(row.subject))),
            "NAME" => Some(Subject::Name),
            _ => None,
        })?;
        let change = Change { user: UserId::from_uuid(row.user_id), subject };
        Ok(Self { change, revision: row.revision, is_repeat: row.is_repeat })
    }
}

/// Notes that these have changed; of users who are gone nothing is asked for any more.
pub(crate) async fn note(tx: &impl ConnectionTrait, mut changes: Vec<Change>) -> Result<(), DbErr> {
    changes.sort_unstable_by_key(Change::key);
    changes.dedup();
    let kind = |change: &Change| match change.subject {
        Subject::Address(_) => "ADDRESS".to_owned(),
        Subject::Name => "NAME".to_owned(),
    };
    let note = "
        INSERT INTO refreshes (subject, kind, user_id)
        SELECT subject, kind, user_id
        FROM unnest($1::uuid[], $2::text[], $3::uuid[]) AS changed (subject, kind, user_id)
        WHERE NOT EXISTS (SELECT FROM deleted_users WHERE deleted_users.user_id = changed.user_id)
        ORDER BY subject
        ON CONFLICT (subject) DO UPDATE
        SET revision = refreshes.revision + 1, is_repeat = false, due_at = now()";
    let values = [
        changes.iter().map(Change::key).collect::<Vec<_>>().into(),
        changes.iter().map(kind).collect::<Vec<_>>().into(),
        changes.iter().map(|change| change.user.uuid()).collect::<Vec<_>>().into(),
    ];
    tx.execute_raw(sql(note, values)).await?;
    Ok(())
}

/// What is to be asked for now. Locks nothing, since identity is asked next; two replicas that ask write the same.
pub(crate) async fn due(db: &impl ConnectionTrait, limit: u32) -> Result<Vec<Due>, DbErr> {
    let find = "SELECT subject, kind, user_id, revision, is_repeat FROM refreshes
                WHERE due_at <= now() ORDER BY due_at LIMIT $1";
    let rows = Row::find_by_statement(sql(find, [i64::from(limit).into()])).all(db).await?;
    rows.into_iter().map(Due::try_from).collect()
}

/// What identity has answered.
#[derive(Clone, Debug)]
pub(crate) enum News {
    Address(ShippingAddress),
    Name(String),
    /// There is no such address or user any more: orders keep what they have.
    Gone,
}

#[derive(FromQueryResult)]
struct Changed {
    id: Uuid,
}

/// Writes what identity answered into the user's orders that are not shipped yet, and tells which have changed by it.
/// Nothing, if there was another change since it was asked, or another replica has written the same.
///
/// Locks the change, then the orders in the order of their ids.
pub(crate) async fn apply(tx: &impl ConnectionTrait, due: &Due, news: &News) -> Result<Vec<OrderId>, DbErr> {
    let Due { change, revision, is_repeat } = due;
    let lock = "SELECT subject AS id FROM refreshes
                WHERE subject = $1 AND revision = $2 AND is_repeat = $3 FOR UPDATE";
    let values = [change.key().into(), (*revision).into(), (*is_repeat).into()];
    if Changed::find_by_statement(sql(lock, values)).one(tx).await?.is_none() {
        return Ok(vec![]);
    }
    let user: Value = change.user.uuid().into();
    let changed = match news {
        News::Address(address) => {
            let whose =
                "shipping_address ->> 'address_id' = $2 AND shipping_address IS DISTINCT FROM $3::jsonb";
            let values = [user, address.address_id.to_string().into(), address_json(address)?.into()];
            write(tx, "shipping_address = $3::jsonb", whose, values).await?
        }
        News::Name(name) => {
            let values = [user, name.clone().into()];
            write(tx, "customer_name = $2", "customer_name <> $2", values).await?
        }
        News::Gone => vec![],
    };
    if *is_repeat {
        tx.execute_raw(sql("DELETE FROM refreshes WHERE subject = $1", [change.key().into()])).await?;
    } else {
        let again = "UPDATE refreshes SET is_repeat = true, due_at = now() + $2 * interval '1 second'
                     WHERE subject = $1";
        tx.execute_raw(sql(again, [change.key().into(), UNDER_WAY.as_secs_f64().into()])).await?;
    }
    Ok(changed)
}

async fn write<const N: usize>(
    tx: &impl ConnectionTrait,
    news: &str,
    whose: &str,
    values: [Value; N],
) -> Result<Vec<OrderId>, DbErr> {
    let write = format!(
        "WITH unshipped AS (
             SELECT id FROM orders
             WHERE user_id = $1 AND state IN ('PENDING', 'CONFIRMED') AND {whose}
                   AND NOT EXISTS (SELECT FROM deleted_users WHERE user_id = $1)
             ORDER BY id FOR UPDATE
         )
         UPDATE orders SET {news}, version = version + 1, updated_at = clock_timestamp()
         FROM unshipped WHERE orders.id = unshipped.id RETURNING orders.id"
    );
    let rows = Changed::find_by_statement(sql(&write, values)).all(tx).await?;
    Ok(rows.into_iter().map(|row| OrderId::from_uuid(row.id)).collect())
}

/// Asks for it later.
pub(crate) async fn postpone(db: &impl ConnectionTrait, due: &Due) -> Result<(), DbErr> {
    let postpone = "UPDATE refreshes SET due_at = now() + $3 * interval '1 second'
                    WHERE subject = $1 AND revision = $2 AND is_repeat = $4";
    let values =
        [due.change.key().into(), due.revision.into(), PAUSE.as_secs_f64().into(), due.is_repeat.into()];
    db.execute_raw(sql(postpone, values)).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, Result};
    use sea_orm::DatabaseConnection;

    use super::*;

    async fn make_due(db: &DatabaseConnection) -> Result<Vec<Due>> {
        db.execute_unprepared("UPDATE refreshes SET due_at = now()").await?;
        Ok(due(db, 10).await?)
    }

    #[tokio::test]
    async fn two_replicas_that_ask_at_once_leave_the_repeat() -> Result<()> {
        let database = testkit::database::<crate::Order>().await?;
        let db = database.connect().await?;
        note(&db, vec![Change { user: UserId::new(), subject: Subject::Name }]).await?;
        let first = make_due(&db).await?.pop().context("nothing is due")?;

        apply(&db, &first, &News::Gone).await?;
        let repeat = make_due(&db).await?.pop().context("nothing is asked for again")?;
        // Another replica, which asked at the same time and is late.
        apply(&db, &first, &News::Gone).await?;
        postpone(&db, &first).await?;
        assert_eq!(due(&db, 10).await?.len(), 1, "the repeat is not put off");
        for _ in 0..2 {
            apply(&db, &repeat, &News::Gone).await?;
        }

        assert!(make_due(&db).await?.is_empty());
        Ok(())
    }
}
