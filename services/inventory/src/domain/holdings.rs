use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use values::{Currency, EditionId, Fingerprint, LocationId, Money, OfferId, Quantity, ReservationId, ShopId};

use super::{
    Changes, Line, Opened, Pick, Reservation, ReservationKey, Settled, Shelf, State, Trigger, Wanted, pick,
};

/// What one batch has read, under locks or not, and what it decided to do with it.
///
/// Requests are decided one after the other, each seeing what those before it took.
#[derive(Clone, Debug, Default)]
pub(crate) struct Holdings {
    reservations: BTreeMap<ReservationId, Reservation>,
    by_key: BTreeMap<ReservationKey, ReservationId>,
    offers: BTreeMap<OfferId, OfferFacts>,
    free: BTreeMap<OfferId, BTreeMap<LocationId, i64>>,
    held_until: DateTime<Utc>,
    changes: Changes,
}

/// What a reservation notes of an offer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OfferFacts {
    /// Which edition is offered.
    pub(crate) edition: EditionId,
    /// Who sells it.
    pub(crate) shop: ShopId,
    /// Title of the work.
    pub(crate) title: String,
    /// Price of one copy.
    pub(crate) unit_price: Money,
}

/// Asks to set stock aside, all lines or none.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ReserveRequest {
    /// The same in every attempt.
    pub(crate) key: ReservationKey,
    /// Of the lines.
    pub(crate) fingerprint: Fingerprint,
    /// What and how many; no offer twice.
    pub(crate) lines: Vec<(OfferId, Quantity)>,
}

/// Why nothing was set aside.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum Refusal {
    /// These lines name offers that don't exist.
    #[error("unknown offers")]
    UnknownOffers(Vec<OfferId>),
    /// An order has one currency; these are the lines'.
    #[error("offers in several currencies")]
    SeveralCurrencies(Vec<(OfferId, Currency)>),
    /// These lines want more than there is.
    #[error("out of stock")]
    OutOfStock(Vec<Short>),
    /// The key has a reservation of other lines.
    #[error("the key has a reservation of other lines")]
    KeyReused,
}

/// A line that wants more copies than there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Short {
    /// Of what.
    pub(crate) offer: OfferId,
    /// Copies asked for.
    pub(crate) wanted: Quantity,
    /// Copies that were free.
    pub(crate) available: i64,
}

impl Holdings {
    /// Holds the locked `reservations`.
    #[must_use]
    pub(crate) fn new(reservations: Vec<Reservation>) -> Self {
        let by_key = reservations.iter().map(|known| (known.key.clone(), known.id)).collect();
        let reservations = reservations.into_iter().map(|known| (known.id, known)).collect();
        Self { reservations, by_key, ..Self::default() }
    }

    /// Adds the shelf `at` with the copies that are free on it.
    pub(crate) fn add_shelf(&mut self, at: Shelf, copies: i64) {
        self.free.entry(at.offer).or_default().insert(at.location, copies);
    }

    /// Adds what is known of an offer.
    pub(crate) fn add_offer(&mut self, offer: OfferId, facts: OfferFacts) {
        self.offers.insert(offer, facts);
    }

    /// Says when what is reserved from now on lapses.
    pub(crate) const fn hold_until(&mut self, expires_at: DateTime<Utc>) {
        self.held_until = expires_at;
    }

    /// The offers whose shelves must be locked, before `trigger` is decided, for one of the reservations to take free
    /// copies: those of all of them, so that the rest isn't locked out of order afterwards. Mostly none.
    #[must_use]
    pub(crate) fn offers_to_lock(&self, trigger: Trigger) -> BTreeSet<OfferId> {
        let takes_free_copies =
            |known: &Reservation| known.state.on(trigger).is_some_and(|step| step.effect.takes_free_copies());
        if !self.reservations.values().any(takes_free_copies) {
            return BTreeSet::new();
        }
        self.reservations.values().flat_map(|known| &known.lines).map(|line| line.offer).collect()
    }

    /// Sets aside what is asked for, under `id` if the key is new.
    ///
    /// A known key answers with its reservation: as it is, reserved again at its own prices if it had expired, or
    /// renewed if its time is up and nobody has noticed yet.
    ///
    /// # Errors
    /// Nothing was set aside.
    pub(crate) fn reserve(
        &mut self,
        id: ReservationId,
        request: &ReserveRequest,
    ) -> Result<ReservationId, Refusal> {
        if let Some(&known) = self.by_key.get(&request.key) {
            return self.reserve_again(known, request);
        }
        let facts = self.facts_of(&request.lines)?;
        let picks = self.take(&request.lines).map_err(Refusal::OutOfStock)?;
        let lines: Vec<Line> = (request.lines.iter().zip(facts).zip(picks))
            .map(|((&(offer, quantity), facts), picks)| Line {
                offer,
                edition: facts.edition,
                shop: facts.shop,
                title: facts.title,
                quantity,
                unit_price: facts.unit_price,
                picks,
            })
            .collect();
        let fingerprint = request.fingerprint;
        let expires_at = self.held_until;
        let key = request.key.clone();
        self.changes.move_stock(id, &lines, super::Effect::Hold);
        self.changes.opened.insert(key.clone(), Opened { id, fingerprint, lines: lines.clone(), expires_at });
        self.by_key.insert(key.clone(), id);
        let opened =
            Reservation { id, key, fingerprint, state: State::Held, lines, expires_at, lapsed: false };
        self.reservations.insert(id, opened);
        Ok(id)
    }

    fn reserve_again(
        &mut self,
        id: ReservationId,
        request: &ReserveRequest,
    ) -> Result<ReservationId, Refusal> {
        let Some(known) = self.reservations.get(&id) else { return Ok(id) };
        if known.fingerprint != request.fingerprint {
            return Err(Refusal::KeyReused);
        }
        let lapsed = known.state == State::Held && known.lapsed;
        let reserved_again = self.step(id, Trigger::Reserve).map_err(Refusal::OutOfStock)?;
        if lapsed || reserved_again {
            self.renew(id);
        }
        Ok(id)
    }

    fn renew(&mut self, id: ReservationId) {
        let expires_at = self.held_until;
        let Some(known) = self.reservations.get_mut(&id) else { return };
        known.expires_at = expires_at;
        known.lapsed = false;
        let unchanged = Settled { state: known.state, lines: None, expires_at };
        self.changes.settled.entry(id).or_insert(unchanged).expires_at = expires_at;
    }

    /// Lets `trigger` happen to a reservation and tells what it is then; `None` if there is no such reservation.
    ///
    /// One whose step lacks stock stays what it is.
    pub(crate) fn settle(&mut self, id: ReservationId, trigger: Trigger) -> Option<&Reservation> {
        // Short of stock is an answer here, told by the state.
        let _ = self.step(id, trigger);
        self.reservations.get(&id)
    }

    /// Lets `trigger` happen to each of the reservations.
    pub(crate) fn settle_all(&mut self, trigger: Trigger) {
        let all: Vec<_> = self.reservations.keys().copied().collect();
        for id in all {
            self.settle(id, trigger);
        }
    }

    /// Whether the key has a reservation, known or made just now.
    #[must_use]
    pub(crate) fn has(&self, key: &ReservationKey) -> bool {
        self.by_key.contains_key(key)
    }

    /// A reservation as it is now.
    #[must_use]
    pub(crate) fn reservation(&self, id: ReservationId) -> Option<&Reservation> {
        self.reservations.get(&id)
    }

    /// What is to be written.
    #[must_use]
    pub(crate) const fn changes(&self) -> &Changes {
        &self.changes
    }

    /// Takes the step that `trigger` causes; whether there was one.
    fn step(&mut self, id: ReservationId, trigger: Trigger) -> Result<bool, Vec<Short>> {
        let Some(known) = self.reservations.get(&id) else { return Ok(false) };
        let Some(step) = known.state.on(trigger) else { return Ok(false) };
        let expires_at = known.expires_at;
        let mut lines = known.lines.clone();
        if step.effect.takes_free_copies() {
            let wanted: Vec<_> = lines.iter().map(|line| (line.offer, line.quantity)).collect();
            for (line, picks) in lines.iter_mut().zip(self.take(&wanted)?) {
                line.picks = picks;
            }
        }
        self.changes.move_stock(id, &lines, step.effect);
        let settled =
            self.changes.settled.entry(id).or_insert(Settled { state: step.to, lines: None, expires_at });
        settled.state = step.to;
        if step.effect.takes_free_copies() {
            settled.lines = Some(lines.clone());
        }
        if let Some(known) = self.reservations.get_mut(&id) {
            known.state = step.to;
            known.lines = lines;
        }
        Ok(true)
    }

    fn facts_of(&self, lines: &[(OfferId, Quantity)]) -> Result<Vec<OfferFacts>, Refusal> {
        let unknown: Vec<_> =
            lines.iter().map(|&(offer, _)| offer).filter(|offer| !self.offers.contains_key(offer)).collect();
        if !unknown.is_empty() {
            return Err(Refusal::UnknownOffers(unknown));
        }
        let facts: Vec<_> = lines.iter().filter_map(|(offer, _)| self.offers.get(offer).cloned()).collect();
        let currencies: Vec<_> = (lines.iter().zip(&facts))
            .map(|(&(offer, _), facts)| (offer, facts.unit_price.currency()))
            .collect();
        if currencies.windows(2).any(|pair| pair[0].1 != pair[1].1) {
            return Err(Refusal::SeveralCurrencies(currencies));
        }
        Ok(facts)
    }

    /// Takes the copies of all lines from what is free, or of none and tells every line that is short.
    fn take(&mut self, lines: &[(OfferId, Quantity)]) -> Result<Vec<Vec<Pick>>, Vec<Short>> {
        let nothing = BTreeMap::new();
        let wanted: Vec<_> = (lines.iter())
            .map(|&(offer, quantity)| Wanted { quantity, free: self.free.get(&offer).unwrap_or(&nothing) })
            .collect();
        // Each shop packs for itself.
        let mut of_shop: BTreeMap<Option<ShopId>, Vec<usize>> = BTreeMap::new();
        for (place, (offer, _)) in lines.iter().enumerate() {
            of_shop.entry(self.offers.get(offer).map(|facts| facts.shop)).or_default().push(place);
        }
        let mut picks = vec![Vec::new(); lines.len()];
        let mut short = BTreeSet::new();
        for places in of_shop.values() {
            let theirs: Vec<_> = places.iter().map(|&place| wanted[place]).collect();
            match pick(&theirs) {
                Ok(picked) => places.iter().zip(picked).for_each(|(&place, picked)| picks[place] = picked),
                Err(lacking) => short.extend(lacking.into_iter().map(|index| places[index])),
            }
        }
        if !short.is_empty() {
            let short = short.into_iter().map(|place| Short {
                offer: lines[place].0,
                wanted: lines[place].1,
                available: wanted[place].free.values().sum(),
            });
            return Err(short.collect());
        }
        for (&(offer, _), picked) in lines.iter().zip(&picks) {
            for pick in picked {
                if let Some(free) = self.free.get_mut(&offer).and_then(|free| free.get_mut(&pick.location)) {
                    *free -= i64::from(pick.quantity);
                }
            }
        }
        Ok(picks)
    }
}

#[cfg(test)]
mod tests;
