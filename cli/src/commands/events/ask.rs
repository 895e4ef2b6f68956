//! Asking every service the same.

use futures::future::join_all;
use proto::events::v1::DeadLetter;
use tonic::Code;

use super::get;
use crate::{
    failure::Failure,
    gateway::{Gateway, Service},
    session::Session,
};

/// What came of asking several services.
pub(super) struct Asked<T> {
    pub(super) answers: Vec<(Service, T)>,
    /// Those that didn't answer; they may later.
    pub(super) silent: Vec<(Service, Failure)>,
}

/// Asks all at once. One that refuses speaks for all: the others would, too.
pub(super) async fn ask_each<T>(
    services: &[Service],
    ask: impl AsyncFn(Service) -> Result<T, Failure>,
) -> Result<Asked<T>, Failure> {
    let ask = &ask;
    let outcomes =
        join_all(services.iter().map(|&service| async move { (service, ask(service).await) })).await;
    let mut asked = Asked { answers: Vec::new(), silent: Vec::new() };
    for (service, outcome) in outcomes {
        match outcome {
            Ok(answer) => asked.answers.push((service, answer)),
            Err(failure @ Failure::Refused(_)) if failure.exit_code() == 4 => {
                asked.silent.push((service, failure));
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(asked)
}

/// The dead letter, whosever it is.
pub(super) async fn find(
    at: &Gateway,
    session: &Session<'_>,
    id: &str,
) -> Result<(Service, DeadLetter), Failure> {
    let asked = ask_each(&Service::ALL, async |service| match get(at, session, service, id).await {
        Ok(letter) => Ok(Some(letter)),
        Err(Failure::Refused(refusal)) if refusal.status.code() == Code::NotFound => Ok(None),
        Err(failure) => Err(failure),
    })
    .await?;
    let found = asked.answers.into_iter().find_map(|(service, found)| Some((service, found?)));
    match found {
        Some(found) => Ok(found),
        // It may be one of theirs.
        None if !asked.silent.is_empty() => Err(Failure::Incomplete(asked.silent)),
        None => Err(Failure::not_possible(format!(
            "no service has a dead letter {id}\n  list those there are with: bookstore events dead list --resolved"
        ))),
    }
}
