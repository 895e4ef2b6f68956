use std::{future::Future, time::Duration};

use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr};
use tokio::time::timeout;

/// How long a statement or a short transaction may be without an answer: longer than a session's own limits, by which a
/// server that lives has ended it.
const ANSWER: Duration = Duration::from_secs(16);

/// Does work on the database, and ends it where no answer comes: a connection may lead nowhere without anybody having
/// been told, and whoever works without a caller's deadline would wait for ever.
///
/// # Errors
/// Those of the work; without an answer one that says that the database is [down](Failure::Down). As when a connection is
/// lost, what was under way may have been committed.
pub async fn answered<T, E: From<DbErr>>(work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    if let Ok(outcome) = timeout(ANSWER, work).await {
        return outcome;
    }
    tracing::warn!(seconds = ANSWER.as_secs(), "the database gave no answer");
    Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout).into())
}

/// What a failed statement says about the next one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// The database, not the statement, is to blame: the same may succeed later.
    Down,
    /// Another transaction was in the way: the same transaction may succeed at once.
    Conflict,
    /// The statement is to blame.
    Statement,
}

/// Which of the three a database's error is.
#[must_use]
pub fn failure(error: &DbErr) -> Failure {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(cause))
        | DbErr::Exec(RuntimeErr::SqlxError(cause))
        | DbErr::Query(RuntimeErr::SqlxError(cause)) => of_sqlx(cause),
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => Failure::Down,
        _ => Failure::Statement,
    }
}

fn of_sqlx(error: &sqlx::Error) -> Failure {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => Failure::Down,
        sqlx::Error::Database(error) => error.code().map_or(Failure::Statement, |code| of_sqlstate(&code)),
        _ => Failure::Statement,
    }
}

fn of_sqlstate(code: &str) -> Failure {
    match code {
        // serialization_failure, deadlock_detected, lock_not_available
        "40001" | "40P01" | "55P03" => Failure::Conflict,
        // read_only_sql_transaction: a primary that became a standby; query_canceled and
        // idle_in_transaction_session_timeout: the session's own limits
        "25006" | "57014" | "25P03" => Failure::Down,
        // Connection trouble, insufficient resources, operator intervention
        code if ["08", "53", "57P"].iter().any(|class| code.starts_with(class)) => Failure::Down,
        _ => Failure::Statement,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_without_a_connection_is_no_fault_of_the_statement() {
        assert_eq!(failure(&DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)), Failure::Down);
        assert_eq!(failure(&DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed)), Failure::Down);
    }

    #[tokio::test(start_paused = true)]
    async fn work_without_an_answer_ends_and_blames_the_database() {
        let error = answered(std::future::pending::<Result<(), DbErr>>()).await.unwrap_err();
        assert_eq!(failure(&error), Failure::Down);
        assert_eq!(answered(async { Ok::<_, DbErr>(1) }).await.unwrap(), 1);
    }

    #[test]
    fn what_the_database_was_told_wrongly_is() {
        assert_eq!(failure(&DbErr::Type("bigint".to_owned())), Failure::Statement);
    }

    #[test]
    fn states_of_the_server_are_told_apart() {
        let cases = [
            ("40001", Failure::Conflict),
            ("40P01", Failure::Conflict),
            ("55P03", Failure::Conflict),
            ("08006", Failure::Down),
            ("25006", Failure::Down),
            ("25P03", Failure::Down),
            ("53300", Failure::Down),
            ("57014", Failure::Down),
            ("57P01", Failure::Down),
            ("23505", Failure::Statement),
            ("42P01", Failure::Statement),
        ];
        for (code, expected) in cases {
            assert_eq!(of_sqlstate(code), expected, "{code}");
        }
    }
}
