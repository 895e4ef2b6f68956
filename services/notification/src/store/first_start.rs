use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};

use super::sql;

/// Where a stream ended when the service was first started.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub(crate) struct End {
    pub(crate) stream: String,
    /// When the broker made the stream; nothing if there was none.
    pub(crate) incarnation: Option<String>,
    pub(crate) last_sequence: i64,
}

/// What was noted at the first start.
pub(crate) async fn read(db: &impl ConnectionTrait) -> Result<Vec<End>, DbErr> {
    let read = "SELECT stream, incarnation, last_sequence FROM first_start";
    End::find_by_statement(sql(read, [])).all(db).await
}

/// Notes all of them at once; what another replica has noted before stays.
pub(crate) async fn note(db: &impl ConnectionTrait, ends: &[End]) -> Result<(), DbErr> {
    let insert = "
        INSERT INTO first_start (stream, incarnation, last_sequence)
        SELECT stream, NULLIF(incarnation, ''), last_sequence
        FROM unnest($1::text[], $2::text[], $3::bigint[]) AS noted (stream, incarnation, last_sequence)
        ORDER BY stream
        ON CONFLICT (stream) DO NOTHING";
    let values = [
        ends.iter().map(|end| end.stream.clone()).collect::<Vec<_>>().into(),
        ends.iter().map(|end| end.incarnation.clone().unwrap_or_default()).collect::<Vec<_>>().into(),
        ends.iter().map(|end| end.last_sequence).collect::<Vec<_>>().into(),
    ];
    db.execute_raw(sql(insert, values)).await?;
    Ok(())
}
