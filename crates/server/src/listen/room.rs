//! How many connections there may be, of all clients and of one.

use std::{
    collections::HashMap,
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::network::Network;

/// What one network may have of a port's connections.
#[derive(Clone)]
pub(crate) struct Share {
    /// So many at once.
    pub(crate) most: usize,
    /// Except of these, who connect for many.
    pub(crate) spares: Spared,
}

pub(crate) type Spared = Arc<dyn Fn(IpAddr) -> bool + Send + Sync>;

impl fmt::Debug for Share {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Share").field("most", &self.most).finish_non_exhaustive()
    }
}

/// Room for a port's connections.
pub(super) struct Room {
    all: Arc<Semaphore>,
    share: Option<Share>,
    taken: Taken,
}

type Taken = Arc<Mutex<HashMap<Network, usize>>>;

/// Room for one of them, until this is dropped.
pub(super) struct Place {
    _of_all: OwnedSemaphorePermit,
    _of_share: Option<OfShare>,
}

struct OfShare {
    taken: Taken,
    network: Network,
}

impl Room {
    pub(super) fn new(connections: usize, share: Option<Share>) -> Self {
        Self { all: Arc::new(Semaphore::new(connections)), share, taken: Taken::default() }
    }

    /// `None` if there is none for this peer.
    pub(super) fn admit(&self, peer: IpAddr) -> Option<Place> {
        let of_all = Arc::clone(&self.all).try_acquire_owned().ok()?;
        let of_share = match &self.share {
            Some(share) if !(share.spares)(peer.to_canonical()) => {
                let network = Network::of(peer);
                let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
                let count = taken.entry(network).or_default();
                if *count >= share.most {
                    return None;
                }
                *count += 1;
                Some(OfShare { taken: Arc::clone(&self.taken), network })
            }
            _ => None,
        };
        Some(Place { _of_all: of_all, _of_share: of_share })
    }
}

impl Drop for OfShare {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROXY: &str = "10.0.0.1";

    fn room() -> Room {
        let spares: Spared = Arc::new(|peer| peer == PROXY.parse::<IpAddr>().unwrap());
        Room::new(6, Some(Share { most: 2, spares }))
    }

    fn admit(room: &Room, peer: &str) -> Option<Place> {
        room.admit(peer.parse().unwrap())
    }

    #[test]
    fn one_address_has_its_share_and_leaves_room_for_others() {
        let room = room();
        let mut held: Vec<_> = (0..2).map(|_| admit(&room, "192.0.2.1").unwrap()).collect();
        assert!(admit(&room, "192.0.2.1").is_none());
        assert!(admit(&room, "::ffff:192.0.2.1").is_none());
        let _others = admit(&room, "192.0.2.2").unwrap();
        held.pop();
        assert!(admit(&room, "192.0.2.1").is_some());
        held.clear();
        assert_eq!(room.taken.lock().unwrap().len(), 1);
    }

    #[test]
    fn who_connects_for_many_has_all_the_room_there_is() {
        let room = room();
        let held: Vec<_> = (0..6).map(|_| admit(&room, PROXY).unwrap()).collect();
        assert!(admit(&room, PROXY).is_none());
        assert!(admit(&room, "192.0.2.1").is_none());
        drop(held);
        assert!(admit(&room, "192.0.2.1").is_some());
    }
}
