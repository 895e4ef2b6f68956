//! Lets things happen to orders: locks them, looks into the table of steps, writes and announces what follows.

use std::collections::{BTreeSet, HashMap, HashSet};

use events::outbox::{self, Outgoing, TooLarge};
use sea_orm::{ConnectionTrait, DbErr};
use tracing::Span;
use values::OrderId;

use crate::{
    domain::{Actor, Effect, Happening, State, step},
    events::published,
    metrics::METRICS,
    store::{
        changes::{self, Locked, NewStep},
        erasure,
    },
};

/// Something that happened to an order.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) order: OrderId,
    pub(crate) happening: Happening,
    pub(crate) actor: Actor,
    /// In the words of the actor.
    pub(crate) note: String,
    /// What the consequences are traced under.
    pub(crate) span: Span,
}

impl Report {
    /// Something that the shop's software found out.
    pub(crate) fn by_system(order: OrderId, happening: Happening, span: &Span) -> Self {
        Self { order, happening, actor: Actor::System, note: String::new(), span: span.clone() }
    }
}

/// Why the transaction can't go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettleError {
    #[error(transparent)]
    Database(#[from] DbErr),
    #[error(transparent)]
    Event(#[from] TooLarge),
}

/// Lets the reports happen in their order, in the caller's transaction. What each does; `None`: there is no such order.
///
/// Locks the orders in the order of their ids.
pub(crate) async fn settle(
    tx: &impl ConnectionTrait,
    reports: &[Report],
) -> Result<Vec<Option<Effect>>, SettleError> {
    let ids: BTreeSet<OrderId> = reports.iter().map(|report| report.order).collect();
    let locked = changes::lock(tx, ids).await?;
    let mut orders: HashMap<OrderId, Locked> = locked.into_iter().map(|order| (order.id, order)).collect();
    let mut changed = HashSet::new();
    let (mut steps, mut announcements) = (Vec::new(), Vec::new());

    let effects = reports
        .iter()
        .map(|report| {
            let Some(order) = orders.get_mut(&report.order) else { return Ok(None) };
            let effect = step(order.standing, report.happening);
            if let Effect::Step(next) | Effect::Note(next) = effect {
                order.standing = next;
                order.version += 1;
                changed.insert(order.id);
            }
            if let Effect::Step(next) = effect {
                if next.state == State::Confirmed {
                    // A transaction that fails now counts twice, which happens too seldom to be seen.
                    METRICS.confirmation.record(order.age, &[]);
                }
                steps.push(new_step(order, report));
                announcements.extend(announcement(order, &report.span)?);
            }
            Ok(Some(effect))
        })
        .collect::<Result<_, TooLarge>>()?;

    let changed: Vec<Locked> = orders.into_values().filter(|order| changed.contains(&order.id)).collect();
    changes::write(tx, &changed, &steps).await?;
    let ended = steps.iter().filter(|step| step.state.is_end()).map(|step| step.order);
    erasure::of_ended(tx, ended).await?;
    outbox::append(tx, &announcements).await?;
    Ok(effects)
}

fn new_step(order: &Locked, report: &Report) -> NewStep {
    NewStep {
        order: order.id,
        version: order.version,
        state: order.standing.state,
        reason: order.standing.reason,
        actor: report.actor,
        note: report.note.clone(),
    }
}

fn announcement(order: &Locked, span: &Span) -> Result<Option<Outgoing>, TooLarge> {
    Ok(published::step(order)?.map(|event| event.within(span)))
}
