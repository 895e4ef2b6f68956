//! What the card gateway is to be asked until it has said.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use uuid::Uuid;

use super::{sql, stored};
use crate::gateway::Token;

/// The longest pause before the gateway is asked again.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A charge to a card.
    Charge,
    /// Giving back to a card what was captured for an order.
    Refund,
    /// Paying out of a wallet.
    PayOut,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Charge => "CHARGE",
            Self::Refund => "REFUND",
            Self::PayOut => "PAY_OUT",
        }
    }
}

/// A question to the gateway, noted before it is asked.
#[derive(Clone, Debug)]
pub(crate) struct Errand {
    /// Of what is charged, refunded or paid out.
    pub(crate) id: Uuid,
    pub(crate) kind: Kind,
    pub(crate) token: Option<Token>,
    pub(crate) traceparent: Option<String>,
}

/// When a question that gets no answer is asked again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// How long an answer is waited for.
    pub(crate) patience: Duration,
    /// The pause after the first question; it doubles each time.
    pub(crate) first_pause: Duration,
}

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    kind: String,
    token: Option<String>,
    traceparent: Option<String>,
}

#[derive(FromQueryResult)]
struct Waiting {
    waiting: i64,
    oldest: f64,
}

impl TryFrom<Row> for Errand {
    type Error = DbErr;

    fn try_from(row: Row) -> Result<Self, DbErr> {
        let kind = match row.kind.as_str() {
            "CHARGE" => Ok(Kind::Charge),
            "REFUND" => Ok(Kind::Refund),
            "PAY_OUT" => Ok(Kind::PayOut),
            _ => Err("is no kind of errand"),
        };
        Ok(Self {
            id: row.id,
            kind: stored(kind)?,
            token: row.token.map(Token),
            traceparent: row.traceparent,
        })
    }
}

/// Adds errands that are due after so long: at once, or when whoever adds them should have seen them through.
pub(crate) async fn add(
    tx: &impl ConnectionTrait,
    errands: &[Errand],
    due_in: Duration,
) -> Result<(), DbErr> {
    let add = "
        INSERT INTO errands (id, kind, token, traceparent, due_at)
        SELECT id, kind, NULLIF(token, ''), NULLIF(traceparent, ''), now() + $5 * interval '1 second'
        FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) AS errand (id, kind, token, traceparent)
        ORDER BY id";
    let text = |value: Option<&String>| value.cloned().unwrap_or_default();
    let values = [
        errands.iter().map(|errand| errand.id).collect::<Vec<_>>().into(),
        errands.iter().map(|errand| errand.kind.name().to_owned()).collect::<Vec<_>>().into(),
        errands
            .iter()
            .map(|errand| text(errand.token.as_ref().map(|token| &token.0)))
            .collect::<Vec<_>>()
            .into(),
        errands.iter().map(|errand| text(errand.traceparent.as_ref())).collect::<Vec<_>>().into(),
        due_in.as_secs_f64().into(),
    ];
    tx.execute_raw(sql(add, values)).await?;
    Ok(())
}

/// Takes this errand, whether it is due or not. Nothing if it has its answer.
pub(crate) async fn take(db: &impl ConnectionTrait, id: Uuid, pace: Pace) -> Result<Option<Errand>, DbErr> {
    let take = format!("{TAKE} WHERE id = $4 {TAKEN}");
    let [patience, first, longest] = seconds(pace);
    let row = Row::find_by_statement(sql(&take, [patience, first, longest, id.into()])).one(db).await?;
    row.map(Errand::try_from).transpose()
}

/// Takes at most `limit` errands that are due, those that waited longest first, and none that another replica takes at
/// this moment.
pub(crate) async fn take_due(
    db: &impl ConnectionTrait,
    pace: Pace,
    limit: usize,
) -> Result<Vec<Errand>, DbErr> {
    let take = format!(
        "{TAKE} WHERE id IN (SELECT id FROM errands WHERE due_at <= now() ORDER BY due_at LIMIT $4
                             FOR UPDATE SKIP LOCKED) {TAKEN}"
    );
    let [patience, first, longest] = seconds(pace);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = Row::find_by_statement(sql(&take, [patience, first, longest, limit.into()])).all(db).await?;
    rows.into_iter().map(Errand::try_from).collect()
}

/// Whoever takes an errand has until then to finish it: whatever happens to them, it is due again afterwards.
const TAKE: &str = "
    UPDATE errands
    SET attempts = attempts + 1,
        due_at = now() + ($1 + LEAST($2 * 2 ^ LEAST(attempts, 30), $3)) * interval '1 second'";
const TAKEN: &str = "RETURNING id, kind, token, traceparent";

fn seconds(pace: Pace) -> [sea_orm::Value; 3] {
    [pace.patience, pace.first_pause, LONGEST_PAUSE].map(|time| time.as_secs_f64().into())
}

/// How many errands wait, up to 10,000, and how long the oldest has.
pub(crate) async fn waiting(db: &impl ConnectionTrait) -> Result<(u64, Duration), DbErr> {
    // Ids begin with the milliseconds at which they were made (UUID version 7).
    let waiting = "
        SELECT (SELECT count(*) FROM (SELECT FROM errands LIMIT 10000) AS counted) AS waiting,
               COALESCE((SELECT extract(epoch FROM now())
                                - ('x' || translate(left(id::text, 13), '-', ''))::bit(48)::bigint / 1000.0
                         FROM errands ORDER BY id LIMIT 1), 0)::float8 AS oldest";
    let row = Waiting::find_by_statement(sql(waiting, [])).one(db).await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("a count".to_owned()))?;
    Ok((row.waiting.unsigned_abs(), Duration::try_from_secs_f64(row.oldest).unwrap_or_default()))
}

/// Ends an errand that has its answer.
pub(crate) async fn end(tx: &impl ConnectionTrait, id: Uuid) -> Result<(), DbErr> {
    tx.execute_raw(sql("DELETE FROM errands WHERE id = $1", [id.into()])).await?;
    Ok(())
}

/// An answer led to another question: it may take as long as the first did.
pub(crate) async fn go_on(tx: &impl ConnectionTrait, id: Uuid, pace: Pace) -> Result<(), DbErr> {
    let go_on = "UPDATE errands SET attempts = 0, due_at = now() + $2 * interval '1 second' WHERE id = $1";
    tx.execute_raw(sql(go_on, [id.into(), pace.patience.as_secs_f64().into()])).await?;
    Ok(())
}
