//! Questions to other services that many customers' new orders ask together: one call for all who need it at the time.

use std::time::Duration;

use batch::{Batcher, Limits, Step};

use crate::clients::{CallError, Identity, Inventory, Recipient, RecipientQuery, Reservation, Wanted};

/// A replica that hangs holds up those who asked with it, and after so long nobody else.
const LIMITS: Limits =
    Limits { max_batch: 128, max_queue: 4096, overtaken_after: Some(Duration::from_millis(50)) };

/// Lines in one call: an answer tells the title of each, and must stay below the 4 MiB that a message may have.
const MAX_LINES: usize = 4_000;

/// Asks identity whom orders go to.
#[derive(Debug)]
pub(crate) struct Recipients(Identity);

/// Asks inventory to set stock aside.
#[derive(Debug)]
pub(crate) struct Reservations(Inventory);

impl Recipients {
    pub(crate) fn spawn(identity: Identity) -> Batcher<Self> {
        Batcher::spawn("recipients", Self(identity), LIMITS)
    }
}

impl Reservations {
    pub(crate) fn spawn(inventory: Inventory) -> Batcher<Self> {
        Batcher::spawn("reservations", Self(inventory), LIMITS)
    }
}

impl Step for Recipients {
    type Item = RecipientQuery;
    type Outcome = Result<Recipient, CallError>;
    type Error = CallError;

    async fn run(&self, queries: &[RecipientQuery]) -> Result<Vec<Self::Outcome>, CallError> {
        self.0.recipients(queries).await
    }

    fn may_blame_an_item(_: &CallError) -> bool {
        false
    }
}

impl Step for Reservations {
    type Item = Wanted;
    type Outcome = Result<Reservation, CallError>;
    type Error = CallError;

    async fn run(&self, wanted: &[Wanted]) -> Result<Vec<Self::Outcome>, CallError> {
        let mut reserved = Vec::with_capacity(wanted.len());
        let mut rest = wanted;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(fitting(rest));
            reserved.extend(self.0.reserve(now).await?);
            rest = later;
        }
        Ok(reserved)
    }

    fn may_blame_an_item(_: &CallError) -> bool {
        false
    }
}

/// How many of these fit into one call: at least one.
fn fitting(wanted: &[Wanted]) -> usize {
    let mut lines = 0;
    let fits = |wanted: &&Wanted| {
        lines += wanted.items.len();
        lines <= MAX_LINES
    };
    wanted.iter().take_while(fits).count().max(1)
}
