//! Writes what shops and customers do with an order that is CONFIRMED or further.

use events::outbox::{self, Outgoing, TooLarge};
use sea_orm::ConnectionTrait;

use crate::{
    domain::{Actor, Order, Return, fulfilment, returns},
    error::Error,
    store::{
        changes::{self, Locked, NewStep},
        erasure,
    },
};

/// What was done with a part of an order.
#[derive(Debug)]
pub(crate) struct Deed<'a> {
    pub(crate) actor: Actor,
    /// In the words of the actor.
    pub(crate) note: String,
    /// All returns of the order, as they are by now.
    pub(crate) returns: &'a [Return],
}

/// Writes where the locked order stands now that its shipments are as `order` has them and its returns as the deed
/// has them: a row of its history, even where its state stays, and what is told of the version that this makes.
pub(crate) async fn record(
    tx: &impl ConnectionTrait,
    locked: Locked,
    order: &Order,
    deed: Deed<'_>,
    tell: impl FnOnce(i64) -> Result<Option<Outgoing>, TooLarge>,
) -> Result<(), Error> {
    let returns = returns::standing(&order.lines, deed.returns);
    let state = fulfilment::state(order.shipments.iter().map(|part| part.state), returns);
    let before = locked.standing.state;
    if state != before && !before.may_become(state) {
        return Err(Error::OrderStep(before.name()));
    }
    let now = Locked { standing: locked.standing.fulfilled(state), version: locked.version + 1, ..locked };
    let step = NewStep {
        order: now.id,
        version: now.version,
        state,
        reason: None,
        actor: deed.actor,
        note: deed.note,
    };
    let (id, event) = (now.id, tell(now.version)?);
    changes::write(tx, &[now], &[step]).await?;
    if state.is_end() {
        erasure::of_ended(tx, [id]).await?;
    }
    outbox::append(tx, event.as_slice()).await?;
    Ok(())
}
