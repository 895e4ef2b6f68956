//! Reservations and payments of no order.

use std::collections::{BTreeMap, HashSet};

use anyhow::Result;
use sqlx::{PgConnection, query_as, query_scalar};
use uuid::Uuid;
use values::{OrderId, ReservationId};

use crate::{
    Check, Report, Service,
    books::{Books, Cursor, PAGE},
    look::Progress,
};

pub(crate) async fn look(books: &mut Books, report: &mut Report, progress: Progress<'_>) -> Result<()> {
    reservations(books, report, progress).await?;
    payments(books, report, progress).await
}

/// What holds or has sold stock is an order's, and only one's. One that is HELD may still become an order's.
async fn reservations(books: &mut Books, report: &mut Report, progress: Progress<'_>) -> Result<()> {
    // Orders by their reservations, then reservations by their ids: both sides go up together.
    let mut taken = Taken::default();
    let mut ids = Vec::new();
    let mut count = 0;
    // All pages of one database are read while the other's transaction is open.
    let mut after = Uuid::nil();
    let mut unclaimed: BTreeMap<Uuid, String> = BTreeMap::new();
    let (order, inventory) = books.two(Service::Order, Service::Inventory)?;
    let mut moment = crate::books::begin(order).await?;
    let mut orders = Cursor::declare(
        &mut moment,
        "DECLARE reserved NO SCROLL CURSOR FOR SELECT reservation_id, id FROM orders ORDER BY reservation_id",
        "FETCH FORWARD 2000 FROM reserved",
    )
    .await?;
    loop {
        let page: Vec<(Uuid, String)> = query_as(
            "SELECT id, state FROM reservations
             WHERE id > $1 AND state IN ('COMMITTED', 'RESTOCKED') ORDER BY id LIMIT $2",
        )
        .bind(after)
        .bind(PAGE)
        .fetch_all(&mut *inventory)
        .await?;
        let Some((last, _)) = page.last() else { break };
        after = *last;
        count += page.len();
        progress(&format!("reservations: {count}"));
        for (id, state) in page {
            taken.up_to(id, &mut orders, &mut moment, report).await?;
            if taken.last != Some(id) {
                unclaimed.insert(id, state);
                ids.push(id);
            }
        }
    }
    taken.up_to(Uuid::max(), &mut orders, &mut moment, report).await?;
    moment.commit().await?;
    report.looked(Check::Strangers, count);
    // Those whose orders were placed after the moment.
    let claimed: Vec<Uuid> = query_scalar("SELECT reservation_id FROM orders WHERE reservation_id = ANY($1)")
        .bind(&ids)
        .fetch_all(order)
        .await?;
    for id in claimed {
        unclaimed.remove(&id);
    }
    for (id, state) in unclaimed {
        report.violation(Check::Strangers, ReservationId::from_uuid(id), format!("is {state} for no order"));
    }
    Ok(())
}

/// The orders' side, as far as it was read.
#[derive(Default)]
struct Taken {
    last: Option<Uuid>,
}

impl Taken {
    async fn up_to(
        &mut self,
        limit: Uuid,
        orders: &mut Cursor<(Uuid, Uuid)>,
        moment: &mut PgConnection,
        report: &mut Report,
    ) -> Result<()> {
        while orders.peek(moment).await?.is_some_and(|(reservation, _)| *reservation <= limit) {
            let Some((reservation, order)) = orders.next(moment).await? else { break };
            if self.last == Some(reservation) {
                let wrong = format!("is held for {} and for another order", OrderId::from_uuid(order));
                report.violation(Check::Strangers, ReservationId::from_uuid(reservation), wrong);
            }
            self.last = Some(reservation);
        }
        Ok(())
    }
}

/// Payment hears of orders only after they are there, so the payments are read first.
async fn payments(books: &mut Books, report: &mut Report, progress: Progress<'_>) -> Result<()> {
    let (mut after, mut count) = (Uuid::nil(), 0);
    loop {
        let page: Vec<(Uuid, String)> =
            query_as("SELECT order_id, state FROM payments WHERE order_id > $1 ORDER BY order_id LIMIT $2")
                .bind(after)
                .bind(PAGE)
                .fetch_all(books.of(Service::Payment)?)
                .await?;
        let Some((last, _)) = page.last() else { break };
        after = *last;
        count += page.len();
        progress(&format!("payments: {count}"));
        let ids: Vec<Uuid> = page.iter().map(|(order, _)| *order).collect();
        let known: Vec<Uuid> = query_scalar("SELECT id FROM orders WHERE id = ANY($1)")
            .bind(&ids)
            .fetch_all(books.of(Service::Order)?)
            .await?;
        let known: HashSet<Uuid> = known.into_iter().collect();
        for (order, state) in page.into_iter().filter(|(order, _)| !known.contains(order)) {
            let wrong = format!("is no order, and has a payment that is {state}");
            report.violation(Check::Strangers, OrderId::from_uuid(order), wrong);
        }
    }
    report.looked(Check::Strangers, count);
    Ok(())
}
