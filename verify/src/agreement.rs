//! Orders, their payments and their reservations, page by page: each order by itself, then what the three say of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::Result;
use uuid::Uuid;
use values::OrderId;

use crate::{
    Check, Report, Scope, Service, Violation,
    books::Books,
    known::{
        orders::{self, Order},
        payments::{self, Payment},
        reservations::{self, Reservation},
    },
    look::Progress,
};

mod money;
mod returns;
mod stock;

/// What is wrong with an order, by what found it.
pub(crate) type Wrongs = Vec<(Check, String)>;

/// So many are read a second time; a shop with more has other worries than a false alarm.
const SUSPECTS: usize = 20_000;

/// Orders of whose services one says something else than another.
#[derive(Debug, Default)]
pub(crate) struct Suspects(BTreeMap<Uuid, BTreeSet<Violation>>);

pub(crate) async fn look(
    books: &mut Books,
    scope: &Scope,
    report: &mut Report,
    progress: Progress<'_>,
) -> Result<Suspects> {
    let mut suspects = Suspects::default();
    if !scope.everything {
        let placed: Vec<Uuid> = scope.placed.iter().copied().collect();
        let orders = read(books, Page::These(&placed), scope).await?;
        absent(&placed, &orders, report);
        hold(books, scope, orders, report, &mut suspects).await?;
        return Ok(suspects);
    }
    let mut missing: BTreeSet<Uuid> = scope.placed.iter().copied().collect();
    let (mut after, mut count) = (Uuid::nil(), 0);
    loop {
        let orders = read(books, Page::After(after), scope).await?;
        let Some(last) = orders.last() else { break };
        after = last.id;
        for order in &orders {
            missing.remove(&order.id);
        }
        count += orders.len();
        hold(books, scope, orders, report, &mut suspects).await?;
        progress(&format!("orders: {count}"));
        if suspects.0.len() > SUSPECTS {
            report.remark(format!("orders: more than {SUSPECTS} are wrong; the rest was not looked at"));
            return Ok(suspects);
        }
    }
    absent(&missing.into_iter().collect::<Vec<_>>(), &[], report);
    Ok(suspects)
}

/// Reads the suspects again: what is wrong both times is a violation.
pub(crate) async fn look_again(
    books: &mut Books,
    scope: &Scope,
    suspects: Suspects,
    report: &mut Report,
) -> Result<()> {
    let ids: Vec<Uuid> = suspects.0.keys().copied().collect();
    let mut again = Suspects::default();
    for page in ids.chunks(1_000) {
        let orders = read(books, Page::These(page), scope).await?;
        compare(books, scope, &orders, &mut again).await?;
    }
    for (id, found) in suspects.0 {
        let Some(still) = again.0.get(&id) else { continue };
        for violation in found.intersection(still) {
            report.add(violation.clone());
        }
    }
    Ok(())
}

impl Suspects {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Without a second look: nothing is under way.
    pub(crate) fn report(self, report: &mut Report) {
        for violation in self.0.into_values().flatten() {
            report.add(violation);
        }
    }
}

enum Page<'a> {
    After(Uuid),
    These(&'a [Uuid]),
}

async fn read(books: &mut Books, page: Page<'_>, scope: &Scope) -> Result<Vec<Order>> {
    let mut moment = books.moment(Service::Order).await?;
    let orders = match page {
        Page::After(after) => orders::after(&mut moment, after, scope.grace_seconds()).await?,
        Page::These(ids) => orders::these(&mut moment, ids, scope.grace_seconds()).await?,
    };
    moment.commit().await?;
    Ok(orders)
}

fn absent(placed: &[Uuid], orders: &[Order], report: &mut Report) {
    for id in placed.iter().filter(|id| !orders.iter().any(|order| order.id == **id)) {
        let wrong = "was answered with OK and is not there";
        report.violation(Check::Strangers, OrderId::from_uuid(*id), wrong);
    }
}

async fn hold(
    books: &mut Books,
    scope: &Scope,
    orders: Vec<Order>,
    report: &mut Report,
    suspects: &mut Suspects,
) -> Result<()> {
    for order in &orders {
        for (check, wrong) in crate::orders::wrongs(order) {
            report.violation(check, OrderId::from_uuid(order.id), wrong);
        }
    }
    report.looked(Check::Orders, orders.len());
    report.looked(Check::Histories, orders.iter().map(|order| order.history.len()).sum::<usize>());
    report.looked(Check::Returns, orders.iter().map(|order| order.returns.len()).sum::<usize>());
    let compared = compare(books, scope, &orders, suspects).await?;
    report.looked(Check::OrderPayments, compared);
    report.looked(Check::OrderStock, compared);
    Ok(())
}

/// Holds calm orders against payments and reservations that are calm too. How many there were.
async fn compare(
    books: &mut Books,
    scope: &Scope,
    orders: &[Order],
    suspects: &mut Suspects,
) -> Result<usize> {
    let orders: Vec<&Order> = orders.iter().filter(|order| order.is_calm).collect();
    let ids: Vec<Uuid> = orders.iter().map(|order| order.id).collect();
    let reserved: Vec<Uuid> = orders.iter().map(|order| order.reservation).collect();
    let mut moment = books.moment(Service::Payment).await?;
    let payments = payments::of(&mut moment, &ids, scope.grace_seconds()).await?;
    moment.commit().await?;
    let mut moment = books.moment(Service::Inventory).await?;
    let reservations = reservations::these(&mut moment, &reserved, scope.grace_seconds()).await?;
    moment.commit().await?;
    let mut compared = 0;
    for order in orders {
        let Some(wrongs) = disagreements(order, &payments, &reservations) else { continue };
        compared += 1;
        for (check, wrong) in wrongs {
            let about = OrderId::from_uuid(order.id).to_string();
            suspects.0.entry(order.id).or_default().insert(Violation { check, about, wrong });
        }
    }
    Ok(compared)
}

/// Nothing while something happens.
fn disagreements(
    order: &Order,
    payments: &HashMap<Uuid, Payment>,
    reservations: &HashMap<Uuid, Reservation>,
) -> Option<Wrongs> {
    let payment = payments.get(&order.id);
    let reservation = reservations.get(&order.reservation);
    let is_calm = payment.is_none_or(|payment| payment.is_calm)
        && reservation.is_none_or(|reservation| reservation.is_calm);
    if !is_calm {
        return None;
    }
    let mut wrongs = money::wrongs(order, payment);
    wrongs.extend(stock::wrongs(order, reservation));
    if let (Some(payment), Some(reservation)) = (payment, reservation) {
        wrongs.extend(returns::wrongs(order, payment, reservation));
    }
    Some(wrongs)
}
