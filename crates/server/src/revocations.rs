//! Which tokens are not good any more, as identity's events say.

use std::time::Duration;

use auth::Revocations;
use events::{CaughtUp, Event as _, Follower, Notice, Reconnects};
use proto::identity::v1::{AccessChanged, SessionRevoked};
use values::Clock;

/// Where identity publishes.
const STREAM: &str = "IDENTITY";
/// Longer than any token lives, so that a replica that starts knows all that matters.
const WINDOW: Duration = Duration::from_mins(16);

/// Notes in `revocations` what identity has published lately and publishes from now on, however often it is handed over.
///
/// To be caught up once before the first call is answered. Cut off from the broker afterwards, tokens that were good stay
/// so to their end.
pub(crate) fn follower(
    nats: async_nats::Client,
    reconnects: Reconnects,
    clock: Clock,
    revocations: Revocations,
) -> (Follower, CaughtUp) {
    let handle = move |notice: &Notice| {
        if let Err(defect) = note(notice, &clock, &revocations) {
            tracing::error!(subject = notice.subject, defect, "an event of identity can't be understood");
        }
    };
    let (follower, caught_up) = Follower::new(STREAM, WINDOW, nats, reconnects, handle);
    (follower.only([SessionRevoked::SUBJECT, AccessChanged::SUBJECT]), caught_up)
}

fn note(notice: &Notice, clock: &Clock, revocations: &Revocations) -> Result<(), String> {
    if let Some(event) = notice.read::<SessionRevoked>() {
        let event = event.map_err(|error| error.to_string())?;
        let session = event.session_id.parse().map_err(|error| format!("session_id {error}"))?;
        revocations.revoke_session(session, clock.now());
    }
    if let Some(event) = notice.read::<AccessChanged>() {
        let event = event.map_err(|error| error.to_string())?;
        let user = event.user_id.parse().map_err(|error| format!("user_id {error}"))?;
        revocations.require(user, event.least_version, clock.now());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use values::{SessionId, UserId};

    use super::*;

    fn noted(subject: &str, payload: Vec<u8>) -> Result<usize, String> {
        let (clock, revocations) = (Clock::system(), Revocations::new());
        let notice = Notice { subject: subject.to_owned(), time: clock.now(), payload: payload.into() };
        note(&notice, &clock, &revocations)?;
        note(&notice, &clock, &revocations)?;
        Ok(revocations.count())
    }

    #[test]
    fn what_identity_takes_back_is_noted_once() {
        let session = SessionRevoked { session_id: SessionId::new().to_string() };
        assert_eq!(noted(SessionRevoked::SUBJECT, session.encode_to_vec()), Ok(1));
        let access = AccessChanged { user_id: UserId::new().to_string(), least_version: 2 };
        assert_eq!(noted(AccessChanged::SUBJECT, access.encode_to_vec()), Ok(1));
        assert_eq!(noted("bookstore.identity.v1.user_registered", session.encode_to_vec()), Ok(0));
    }

    #[test]
    fn what_cannot_be_understood_is_said_and_changes_nothing() {
        let nameless = SessionRevoked::default().encode_to_vec();
        for payload in [vec![0xff], nameless] {
            assert!(noted(SessionRevoked::SUBJECT, payload).is_err());
        }
    }
}
