use auth::Permission;
use proto::events::v1::{DiscardRequest, GetRequest, ListRequest, ReplayRequest};
use system_tests::Service;
use tonic::Code;

use super::row::{Row, Whose};

/// Those of every service that has any.
pub(crate) fn rows() -> Vec<Row> {
    Service::WITH_DATABASE.into_iter().flat_map(of).collect()
}

fn of(service: Service) -> impl Iterator<Item = Row> {
    let replay =
        Row::new("/bookstore.events.v1.DeadLetters/Replay", service, Whose::TheStaffs, move |world| {
            ReplayRequest { dead_letter_id: world.letters[&service].replayed.clone() }
        });
    let rows = [
        Row::new("/bookstore.events.v1.DeadLetters/List", service, Whose::TheStaffs, |_| {
            ListRequest::default()
        }),
        Row::new("/bookstore.events.v1.DeadLetters/Get", service, Whose::TheStaffs, move |world| {
            GetRequest { dead_letter_id: world.letters[&service].replayed.clone() }
        }),
        if service == Service::Identity {
            replay.answering(Code::FailedPrecondition, "NO_HANDLER")
        } else {
            replay
        },
        Row::new("/bookstore.events.v1.DeadLetters/Discard", service, Whose::TheStaffs, move |world| {
            DiscardRequest { dead_letter_id: world.letters[&service].discarded.clone() }
        }),
    ];
    rows.into_iter().map(|row| row.taking(Permission::DEAD_LETTERS_MANAGE))
}
