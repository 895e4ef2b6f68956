//! What every service with a database answers about the events that it gave up.

use events::{DeadLetter, DiscardError, ReplayError, State};
use proto::events::v1::{self as pb, dead_letters_server};
use tonic::{Request, Response, Status};
use values::{
    DeadLetterId, Violations,
    page::{self, PageSize},
};

use crate::{status, wire::timestamp};

/// How much of a reason is told in a refusal, in characters: trailers are small.
const LONGEST_REASON: usize = 500;

/// The service, over the dead letters of this process's database.
pub(crate) fn service(
    letters: events::DeadLetters,
) -> dead_letters_server::DeadLettersServer<impl dead_letters_server::DeadLetters> {
    dead_letters_server::DeadLettersServer::new(DeadLetters(letters))
}

struct DeadLetters(events::DeadLetters);

#[tonic::async_trait]
impl dead_letters_server::DeadLetters for DeadLetters {
    async fn list(&self, request: Request<pb::ListRequest>) -> Result<Response<pb::ListResponse>, Status> {
        let wire = request.into_inner();
        let scope = format!("DeadLetters.List include_resolved={}", wire.include_resolved);
        let mut violations = Violations::new();
        let size = violations.take("page_size", PageSize::parse(wire.page_size));
        let after = violations.take("page_token", page::decode::<i64>(&scope, &wire.page_token));
        let (size, after) = violations.finish(size.zip(after)).map_err(status::invalid)?;

        let (letters, next) = self.0.list(after, size, wire.include_resolved).await.map_err(from_db)?;
        Ok(Response::new(pb::ListResponse {
            dead_letters: letters.into_iter().map(summary).collect(),
            next_page_token: next.map(|place| page::encode(&scope, &place)).unwrap_or_default(),
        }))
    }

    async fn get(&self, request: Request<pb::GetRequest>) -> Result<Response<pb::DeadLetter>, Status> {
        let id = parse(&request.into_inner().dead_letter_id)?;
        let letter = self.0.get(id).await.map_err(from_db)?.ok_or_else(|| not_found(id))?;
        Ok(Response::new(whole(letter)))
    }

    async fn replay(&self, request: Request<pb::ReplayRequest>) -> Result<Response<pb::DeadLetter>, Status> {
        let id = parse(&request.into_inner().dead_letter_id)?;
        match self.0.replay(id).await {
            Ok(letter) => Ok(Response::new(whole(letter))),
            Err(error) => Err(not_replayed(id, &error)),
        }
    }

    async fn discard(
        &self,
        request: Request<pb::DiscardRequest>,
    ) -> Result<Response<pb::DeadLetter>, Status> {
        let id = parse(&request.into_inner().dead_letter_id)?;
        match self.0.discard(id).await {
            Ok(letter) => Ok(Response::new(whole(letter))),
            Err(DiscardError::NotFound) => Err(not_found(id)),
            Err(error @ DiscardError::Replayed) => {
                Err(refused("DEAD_LETTER_REPLAYED", id, &error.to_string()))
            }
            Err(DiscardError::Database(error)) => Err(from_db(error)),
        }
    }
}

fn parse(id: &str) -> Result<DeadLetterId, Status> {
    let mut violations = Violations::new();
    let id = violations.parse("dead_letter_id", id);
    violations.finish(id).map_err(status::invalid)
}

fn not_replayed(id: DeadLetterId, error: &ReplayError) -> Status {
    let text = error.to_string();
    match error {
        ReplayError::NotFound => not_found(id),
        ReplayError::Discarded => refused("DEAD_LETTER_DISCARDED", id, &text),
        ReplayError::NoHandler => refused("NO_HANDLER", id, &text),
        ReplayError::Again(reason) => {
            tracing::warn!(dead_letter = %id, reason, "a dead letter failed again");
            refused("REPLAY_FAILED", id, &text)
        }
        ReplayError::Unavailable(reason) => {
            tracing::warn!(dead_letter = %id, reason, "a dead letter can't be replayed now");
            status::unavailable(status::SOON)
        }
        ReplayError::Database(error) => status::from_db(error),
    }
}

fn not_found(id: DeadLetterId) -> Status {
    status::not_found("dead letter", id.to_string())
}

fn refused(reason: &str, id: DeadLetterId, text: &str) -> Status {
    let text: String = text.chars().take(LONGEST_REASON).collect();
    status::precondition(reason, text.clone(), vec![(id.to_string(), text)])
}

#[expect(clippy::needless_pass_by_value, reason = "goes where `map_err` takes a function of the error")]
fn from_db(error: sea_orm::DbErr) -> Status {
    status::from_db(&error)
}

/// As in a list.
fn summary(letter: DeadLetter) -> pb::DeadLetter {
    let state = match letter.state {
        State::Dead => pb::DeadLetterState::Dead,
        State::Replayed => pb::DeadLetterState::Replayed,
        State::Discarded => pb::DeadLetterState::Discarded,
    };
    pb::DeadLetter {
        dead_letter_id: letter.id.to_string(),
        consumer: letter.consumer,
        event_id: letter.event_id.to_string(),
        subject: letter.subject,
        aggregate_id: letter.aggregate_id,
        error: letter.error,
        attempts: letter.attempts,
        state: state.into(),
        create_time: Some(timestamp(letter.buried_at)),
        resolve_time: letter.resolved_at.map(timestamp),
        headers: letter.headers.into_iter().collect(),
        payload: letter.payload,
        payload_json: String::new(),
    }
}

fn whole(letter: DeadLetter) -> pb::DeadLetter {
    let payload_json = letter.payload_json().unwrap_or_default();
    pb::DeadLetter { payload_json, ..summary(letter) }
}
