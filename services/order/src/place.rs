//! The transaction that many customers' new orders share.

use std::collections::HashMap;

use batch::Step;
use chrono::{DateTime, Utc};
use events::{
    EventId,
    outbox::{self, Outgoing},
};
use sea_orm::{DatabaseConnection, DbErr, TransactionTrait};
use server::database::answered;
use values::{Fingerprint, OrderId, RequestId, UserId};

use crate::{
    domain::{NewOrder, Order},
    error::BatchError,
    notifier::Notifier,
    store::{self, orders::Requested},
};

/// The first item of each request.
type Firsts<'a> = HashMap<(UserId, &'a RequestId), &'a Placing>;

/// When the orders that were stored were.
type Times = HashMap<OrderId, DateTime<Utc>>;

/// Stores new orders.
pub(crate) struct Place {
    pub(crate) db: DatabaseConnection,
    pub(crate) notifier: Notifier,
}

/// An order to store, with the event that asks for its payment.
pub(crate) struct Placing {
    pub(crate) order: NewOrder,
    pub(crate) event: Outgoing,
}

impl Placing {
    const fn request(&self) -> (UserId, &RequestId) {
        (self.order.user, &self.order.request_id)
    }
}

/// The order that the request has made, now or before; `None`: it was another request with the same id.
pub(crate) type Placed = Option<Order>;

impl Step for Place {
    type Item = Placing;
    type Outcome = Placed;
    type Error = BatchError;

    async fn run(&self, items: &[Placing]) -> Result<Vec<Placed>, BatchError> {
        answered(self.store(items)).await
    }

    fn may_blame_an_item(error: &BatchError) -> bool {
        error.may_blame_an_item()
    }
}

impl Place {
    async fn store(&self, items: &[Placing]) -> Result<Vec<Placed>, BatchError> {
        // Equal requests are one: the first is stored, and the others find it.
        let mut firsts = Firsts::with_capacity(items.len());
        for item in items {
            firsts.entry(item.request()).or_insert(item);
        }
        let orders: Vec<_> = firsts.values().map(|item| (&item.order, item.event.id())).collect();
        let (placed, earlier) = match self.store_new(&firsts, &orders).await? {
            Some(placed) => (placed, vec![]),
            None => self.store_those_new(items, &firsts, &orders).await?,
        };
        self.notifier.changed([]);

        let mut winners: HashMap<(UserId, String), (Fingerprint, Order)> = earlier
            .into_iter()
            .map(|earlier| ((earlier.order.user, earlier.request_id), (earlier.fingerprint, earlier.order)))
            .collect();
        for (request, item) in firsts {
            if let Some(&time) = placed.get(&item.order.id) {
                let (user, request_id) = request;
                winners.insert(
                    (user, request_id.to_string()),
                    (item.order.fingerprint, item.order.placed_at(time)),
                );
            }
        }
        Ok(items
            .iter()
            .map(|item| {
                let (user, request_id) = item.request();
                let (fingerprint, order) = winners.get(&(user, request_id.to_string()))?;
                (*fingerprint == item.order.fingerprint).then(|| order.clone())
            })
            .collect())
    }

    /// Most requests come once: one statement is the whole transaction. `None`: one of them has come before, and nothing
    /// is stored.
    async fn store_new(
        &self,
        firsts: &Firsts<'_>,
        orders: &[(&NewOrder, EventId)],
    ) -> Result<Option<Times>, DbErr> {
        let events: Vec<Outgoing> = firsts.values().map(|item| item.event.clone()).collect();
        let stored = store::new_orders::insert_with_events(&self.db, orders, &events).await?;
        Ok(stored.map(Times::from_iter))
    }

    /// Stores what is new, and finds what the other requests have made before.
    async fn store_those_new(
        &self,
        items: &[Placing],
        firsts: &Firsts<'_>,
        orders: &[(&NewOrder, EventId)],
    ) -> Result<(Times, Vec<Requested>), DbErr> {
        let tx = self.db.begin().await?;
        let placed: Times = store::new_orders::insert(&tx, orders).await?.into_iter().collect();
        let is_placed = |item: &&Placing| placed.contains_key(&item.order.id);
        let events: Vec<Outgoing> = items.iter().filter(is_placed).map(|item| item.event.clone()).collect();
        outbox::append(&tx, &events).await?;
        // A statement of its own sees what the transaction that was faster has committed.
        let lost = firsts.values().filter(|item| !is_placed(item)).map(|item| item.request());
        let earlier = match lost.collect::<Vec<_>>() {
            lost if lost.is_empty() => vec![],
            lost => store::orders::find_by_requests(&tx, lost).await?,
        };
        fault::around("order.place.commit", tx.commit()).await?;
        Ok((placed, earlier))
    }
}
