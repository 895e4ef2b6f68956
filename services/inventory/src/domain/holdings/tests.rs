use chrono::DateTime;
use proptest::prelude::*;

use super::*;
use crate::domain::{Effect, changes::StockChange};

const EARLIER: DateTime<Utc> = DateTime::UNIX_EPOCH;
const LATER: DateTime<Utc> = DateTime::<Utc>::MAX_UTC;

fn money(text: &str) -> Money {
    text.parse().expect("money")
}

fn copies(number: i32) -> Quantity {
    Quantity::try_from(number).expect("a quantity")
}

/// A shop of offers that cost 10 EUR each, with these copies in each of two locations.
struct Shop {
    offers: Vec<OfferId>,
    locations: [LocationId; 2],
    holdings: Holdings,
}

impl Shop {
    fn with(stock: &[[i64; 2]]) -> Self {
        let mut shop = Self {
            offers: vec![],
            locations: [LocationId::new(), LocationId::new()],
            holdings: Holdings::default(),
        };
        shop.holdings.hold_until(LATER);
        for free in stock {
            let offer = OfferId::new();
            shop.offers.push(offer);
            for (location, free) in shop.locations.into_iter().zip(*free) {
                shop.holdings.add_shelf(Shelf { offer, location }, free);
            }
            shop.holdings.add_offer(offer, facts("10.00 EUR"));
        }
        shop
    }

    fn request(&self, key: &str, lines: &[(usize, i32)]) -> ReserveRequest {
        let lines: Vec<_> =
            lines.iter().map(|&(offer, wanted)| (self.offers[offer], copies(wanted))).collect();
        ReserveRequest { key: key.parse().expect("a key"), fingerprint: Fingerprint::of(&lines), lines }
    }

    fn reserve(&mut self, key: &str, lines: &[(usize, i32)]) -> Result<ReservationId, Refusal> {
        let request = self.request(key, lines);
        self.holdings.reserve(ReservationId::new(), &request)
    }

    fn reserved(&self, offer: usize) -> i64 {
        let moved = self.holdings.changes.stock.iter().filter(|(shelf, _)| shelf.offer == self.offers[offer]);
        moved.map(|(_, change)| change.reserved).sum()
    }

    fn free(&self, offer: usize) -> i64 {
        self.holdings.free[&self.offers[offer]].values().sum()
    }

    /// As if read back in a later transaction, in which a reservation is in `state`.
    fn later(&self, id: ReservationId, state: State, lapsed: bool, free: &[[i64; 2]]) -> Self {
        let known = self.holdings.reservation(id).expect("a reservation").clone();
        let mut holdings = Holdings::new(vec![Reservation { state, lapsed, expires_at: EARLIER, ..known }]);
        holdings.hold_until(LATER);
        for (&offer, free) in self.offers.iter().zip(free) {
            for (location, &free) in self.locations.into_iter().zip(free) {
                holdings.add_shelf(Shelf { offer, location }, free);
            }
            holdings.add_offer(offer, facts("99.00 EUR"));
        }
        Self { offers: self.offers.clone(), locations: self.locations, holdings }
    }
}

fn facts(price: &str) -> OfferFacts {
    let title = "Emma".to_owned();
    OfferFacts { edition: EditionId::new(), shop: ShopId::new(), title, unit_price: money(price) }
}

#[test]
fn requests_of_one_batch_share_what_is_free_in_their_order() {
    let mut shop = Shop::with(&[[2, 1]]);
    assert!(shop.reserve("first", &[(0, 2)]).is_ok());
    let short = Short { offer: shop.offers[0], wanted: copies(2), available: 1 };
    assert_eq!(shop.reserve("second", &[(0, 2)]), Err(Refusal::OutOfStock(vec![short])));
    assert!(shop.reserve("third", &[(0, 1)]).is_ok());
    assert_eq!((shop.reserved(0), shop.free(0)), (3, 0));
}

#[test]
fn a_request_with_a_short_line_takes_nothing_and_names_every_short_line() {
    let mut shop = Shop::with(&[[5, 0], [1, 1], [0, 0]]);
    let refusal = shop.reserve("first", &[(0, 5), (1, 3), (2, 1)]);
    let short = |offer: usize, wanted, available| Short {
        offer: shop.offers[offer],
        wanted: copies(wanted),
        available,
    };
    assert_eq!(refusal, Err(Refusal::OutOfStock(vec![short(1, 3, 2), short(2, 1, 0)])));
    assert!(shop.holdings.changes().is_empty() && shop.holdings.changes().stock.is_empty());
    assert_eq!(shop.free(0), 5);
}

#[test]
fn equal_requests_of_one_batch_become_one() {
    let mut shop = Shop::with(&[[5, 0]]);
    let first = shop.reserve("key", &[(0, 2)]);
    assert_eq!(shop.reserve("key", &[(0, 2)]), first);
    assert_eq!(shop.reserve("key", &[(0, 3)]), Err(Refusal::KeyReused));
    assert_eq!((shop.holdings.changes().opened.len(), shop.reserved(0)), (1, 2));
}

#[test]
fn unknown_offers_and_several_currencies_are_refused_by_name() {
    let mut shop = Shop::with(&[[5, 0], [5, 0]]);
    shop.holdings.add_offer(shop.offers[1], facts("10.00 USD"));
    let currencies =
        vec![(shop.offers[0], money("1.00 EUR").currency()), (shop.offers[1], money("1.00 USD").currency())];
    assert_eq!(shop.reserve("key", &[(0, 1), (1, 1)]), Err(Refusal::SeveralCurrencies(currencies)));

    let stranger = OfferId::new();
    shop.offers.push(stranger);
    assert_eq!(shop.reserve("key", &[(0, 1), (2, 1)]), Err(Refusal::UnknownOffers(vec![stranger])));
}

#[test]
fn an_expired_reservation_is_reserved_again_at_its_own_prices_wherever_copies_are_now() {
    let mut shop = Shop::with(&[[2, 0]]);
    let id = shop.reserve("key", &[(0, 2)]).expect("enough copies");
    let mut later = shop.later(id, State::Expired, false, &[[0, 2]]);
    assert_eq!(later.reserve("key", &[(0, 2)]), Ok(id));

    let again = later.holdings.reservation(id).expect("a reservation");
    assert_eq!((again.state, again.expires_at), (State::Held, LATER));
    assert_eq!(again.lines[0].unit_price, money("10.00 EUR"));
    assert_eq!(again.lines[0].picks, [Pick { location: later.locations[1], quantity: 2 }]);
    let settled = &later.holdings.changes().settled[&id];
    assert_eq!((settled.expires_at, settled.lines.as_ref()), (LATER, Some(&again.lines)));
}

#[test]
fn an_expired_reservation_whose_stock_is_gone_is_refused_and_stays() {
    let mut shop = Shop::with(&[[2, 0]]);
    let id = shop.reserve("key", &[(0, 2)]).expect("enough copies");
    let mut later = shop.later(id, State::Expired, false, &[[1, 0]]);
    assert!(
        matches!(later.reserve("key", &[(0, 2)]), Err(Refusal::OutOfStock(short)) if short[0].available == 1)
    );
    assert_eq!(later.holdings.settle(id, Trigger::Commit).map(|known| known.state), Some(State::Expired));
    assert!(later.holdings.changes().is_empty());
}

#[test]
fn a_held_reservation_whose_time_is_up_is_renewed_and_another_is_left_alone() {
    let mut shop = Shop::with(&[[2, 0]]);
    let id = shop.reserve("key", &[(0, 2)]).expect("enough copies");
    let mut lapsed = shop.later(id, State::Held, true, &[[0, 0]]);
    assert_eq!(lapsed.reserve("key", &[(0, 2)]), Ok(id));
    assert_eq!(lapsed.holdings.reservation(id).map(|known| known.expires_at), Some(LATER));
    assert_eq!(lapsed.holdings.changes().settled[&id].expires_at, LATER);
    assert!(lapsed.holdings.changes().stock.is_empty());

    let mut fresh = shop.later(id, State::Held, false, &[[0, 0]]);
    assert_eq!(fresh.reserve("key", &[(0, 2)]), Ok(id));
    assert!(fresh.holdings.changes().is_empty());
}

#[test]
fn shelves_are_locked_beforehand_only_when_free_copies_may_be_taken() {
    let mut shop = Shop::with(&[[2, 0]]);
    let id = shop.reserve("key", &[(0, 2)]).expect("enough copies");
    let held = shop.later(id, State::Held, false, &[]).holdings;
    assert!(held.offers_to_lock(Trigger::Commit).is_empty());
    let expired = shop.later(id, State::Expired, false, &[]).holdings;
    assert_eq!(expired.offers_to_lock(Trigger::Commit), BTreeSet::from([shop.offers[0]]));
    assert!(expired.offers_to_lock(Trigger::Release).is_empty());
}

#[test]
fn the_second_cancel_of_one_batch_does_nothing() {
    let mut shop = Shop::with(&[[2, 0]]);
    let id = shop.reserve("key", &[(0, 2)]).expect("enough copies");
    let mut later = shop.later(id, State::Committed, false, &[]);
    for _ in 0..2 {
        assert_eq!(
            later.holdings.settle(id, Trigger::Cancel).map(|known| known.state),
            Some(State::Restocked)
        );
    }
    let changes = later.holdings.changes();
    assert_eq!(changes.movements.iter().map(|movement| movement.change).collect::<Vec<_>>(), [2]);
}

#[derive(Clone, Debug)]
enum Act {
    Reserve { key: u8, lines: Vec<(usize, i32)> },
    Settle { key: u8, trigger: Trigger },
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let lines = prop::sample::subsequence(vec![0_usize, 1, 2], 1..=3)
        .prop_flat_map(|offers| offers.into_iter().map(|offer| (Just(offer), 1_i32..6)).collect::<Vec<_>>());
    let triggers =
        prop::sample::select(vec![Trigger::Commit, Trigger::Release, Trigger::Expire, Trigger::Cancel]);
    prop::collection::vec(
        prop_oneof![
            (0_u8..6, lines).prop_map(|(key, lines)| Act::Reserve { key, lines }),
            (0_u8..6, triggers).prop_map(|(key, trigger)| Act::Settle { key, trigger }),
        ],
        0..40,
    )
}

proptest! {
    /// Whatever happens in whatever order, the counts say what the reservations say.
    #[test]
    fn counts_and_reservations_never_part(stock in prop::array::uniform3([0_i64..8, 0_i64..8]), acts in acts()) {
        let mut shop = Shop::with(&stock);
        for act in acts {
            match act {
                Act::Reserve { key, lines } => drop(shop.reserve(&key.to_string(), &lines)),
                Act::Settle { key, trigger } => {
                    let key: ReservationKey = key.to_string().parse().expect("a key");
                    if let Some(&id) = shop.holdings.by_key.get(&key) {
                        shop.holdings.settle(id, trigger);
                    }
                }
            }
        }

        let mut expected: BTreeMap<Shelf, StockChange> = BTreeMap::new();
        for known in shop.holdings.reservations.values() {
            let effect = match known.state {
                State::Held => Effect::Hold,
                State::Committed => Effect::SellFree,
                State::Released | State::Expired | State::Restocked => Effect::Nothing,
            };
            for line in &known.lines {
                prop_assert_eq!(line.picks.iter().map(|pick| pick.quantity).sum::<u32>(), line.quantity.get());
                for pick in &line.picks {
                    let change = expected.entry(Shelf { offer: line.offer, location: pick.location }).or_default();
                    change.on_hand += i64::from(pick.quantity) * effect.on_hand();
                    change.reserved += i64::from(pick.quantity) * effect.reserved();
                }
            }
        }
        let changes = shop.holdings.changes();
        for (offer, counted) in shop.offers.iter().zip(stock) {
            for (&location, counted) in shop.locations.iter().zip(counted) {
                let shelf = Shelf { offer: *offer, location };
                let change = changes.stock.get(&shelf).copied().unwrap_or_default();
                prop_assert_eq!(change, expected.get(&shelf).copied().unwrap_or_default());
                let on_hand = counted + change.on_hand;
                prop_assert!(0 <= change.reserved && change.reserved <= on_hand, "{on_hand} {change:?}");
                let moved: i64 =
                    changes.movements.iter().filter(|moved| moved.shelf == shelf).map(|moved| moved.change).sum();
                prop_assert_eq!(moved, change.on_hand);
            }
        }
    }
}
