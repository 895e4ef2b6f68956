use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use values::OrderId;

/// How often a person is told of the same order.
const PAUSE: Duration = Duration::from_hours(1);

/// Which orders a person was told of lately: nothing but a person helps them, and every sweep finds them again.
#[derive(Default)]
pub(crate) struct Complaints(Mutex<HashMap<OrderId, Instant>>);

impl Complaints {
    /// Forgets what was told long ago, so that it is told again if it is still so.
    pub(super) fn expire(&self, now: Instant) {
        self.told(|told| told.retain(|_, at| now.duration_since(*at) < PAUSE));
    }

    /// Whether to tell of this order now.
    pub(super) fn is_due(&self, order: OrderId, now: Instant) -> bool {
        self.told(|told| match told.entry(order) {
            Entry::Occupied(_) => false,
            Entry::Vacant(place) => {
                place.insert(now);
                true
            }
        })
    }

    fn told<T>(&self, of: impl FnOnce(&mut HashMap<OrderId, Instant>) -> T) -> T {
        of(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_told_of_once_an_hour() {
        let (complaints, order, begin) = (Complaints::default(), OrderId::new(), Instant::now());
        let mut told = Vec::new();
        for minute in (0..=120).step_by(15) {
            let now = begin + Duration::from_mins(minute);
            complaints.expire(now);
            if complaints.is_due(order, now) {
                told.push(minute);
            }
        }
        assert_eq!(told, [0, 60, 120]);
        assert!(complaints.is_due(OrderId::new(), begin), "of its own");
    }
}
