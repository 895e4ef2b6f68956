use std::{fmt, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use futures::future::{try_join, try_join_all};
use tokio::time::{Instant, timeout};

use super::{
    PATIENCE,
    deeds::BOOKS,
    inflict::{Struck, heal, inflict},
    plan::Plan,
    visitor::Visitor,
};
use crate::{
    Shop,
    model::{Action, Script},
    street::Street,
};

/// In which all is quiet after the last fault, on a machine that others use as well: what a dead consumer held comes again
/// after some seconds, perhaps to one who dies with it.
const QUIET: Duration = Duration::from_secs(75);
/// In which everybody who acts has had an answer, however often they had to ask.
const ACTING: Duration = Duration::from_mins(4);
const PRICE: i64 = 100;
const COPIES: i32 = 1_000_000;

/// What came of a round.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// The kinds of the faults and what became of each.
    pub(super) struck: Vec<(&'static str, Struck)>,
    pub(super) orders: Vec<String>,
    /// From the last fault's end until all was as it must be.
    pub(super) calm: Duration,
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (_, struck) in &self.struck {
            if let Struck::At(point) = struck {
                write!(formatter, "died at {point}, ")?;
            }
        }
        write!(formatter, "calm after {:.1} s, {} orders", self.calm.as_secs_f64(), self.orders.len())
    }
}

/// Lets everybody act while things go wrong, then waits until all is quiet and looks whether it is as it must be.
/// `earlier` are the orders of the rounds before.
pub(super) async fn run(shop: &Shop, plan: &Plan, earlier: &[String]) -> Result<Outcome> {
    let seller = shop.seller().await?;
    let books = try_join_all((0..BOOKS).map(|_| seller.add_book(PRICE, COPIES))).await?;
    let books = Arc::new(books);
    let mut streets = try_join_all(plan.streets.iter().map(|seed| async {
        Ok::<_, anyhow::Error>((Script::new(*seed), Street::open(shop, PATIENCE, QUIET).await?))
    }))
    .await?;
    let clients = shop.clients()?;
    let mut visitors: Vec<Visitor> =
        plan.visitors.iter().map(|seed| Visitor::new(clients.clone(), *seed, books.clone())).collect();

    let began = Instant::now();
    let until = began + plan.trading;
    let acting = try_join(
        try_join_all(streets.iter_mut().map(|(script, street)| trade(script, street, until))),
        try_join_all(visitors.iter_mut().map(|visitor| visitor.act(until))),
    );
    let breaking = try_join_all(plan.faults.iter().map(|fault| inflict(shop, began, fault)));
    let done = timeout(ACTING, try_join(acting, breaking)).await;
    let (_, struck) = done.context("somebody still waits for an answer")??;

    let healed = Instant::now();
    heal(shop).await?;
    try_join_all(streets.iter_mut().map(|(_, street)| street.rest(usize::MAX))).await?;
    let mut orders: Vec<String> = streets.iter().flat_map(|(_, street)| street.orders()).collect();
    orders.extend(visitors.iter().flat_map(Visitor::orders).cloned());
    let placed = [earlier, &orders].concat();
    shop.check(&placed).await?;
    try_join_all(visitors.iter().map(Visitor::check)).await.context("what visitors were told")?;
    let calm = healed.elapsed();

    let kinds = plan.faults.iter().map(|fault| fault.act.kind());
    Ok(Outcome { struck: kinds.zip(struck).collect(), orders, calm })
}

/// A street's story, but for its rests: nothing is quiet now.
async fn trade(script: &mut Script, street: &mut Street, until: Instant) -> Result<()> {
    for action in script.filter(|action| *action != Action::Rest) {
        if Instant::now() >= until {
            break;
        }
        street.act(action).await?;
    }
    Ok(())
}
