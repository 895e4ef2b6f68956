//! How much one caller may ask for: calls in a second, and calls at once.

mod bucket;
mod config;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use quick_cache::{DefaultHashBuilder, Lifecycle, UnitWeighter, sync::Cache};
use server::Network;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;
use values::UserId;

use crate::caller::Caller;
use bucket::Bucket;
pub(crate) use bucket::Rate;
pub use config::Limits;

/// How many callers are remembered: some 10 MB. Of the others the longest unseen are forgotten, which gives them a full
/// allowance again; those with calls under way are not.
const REMEMBERED: usize = 65_536;

/// An open stream mostly waits, and so weighs less than a call.
const STREAMS_A_CALL: usize = 8;

/// When to come back with a call for which there are too many others.
const SOON: Duration = Duration::from_millis(500);

/// Keeps callers to their limits, and all of them together to what the process can do.
///
/// Streams that have begun count apart from calls: else those who wait for news would keep others from asking anything.
pub(crate) struct Limiter {
    limits: Limits,
    calls: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    accounts: Cache<Key, Arc<Account>, UnitWeighter, DefaultHashBuilder, KeepBusy>,
}

/// Whose allowance a call is taken from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Key {
    User(UserId),
    Network(Network),
    /// For what anybody may make the shop do and what checks passwords, beside the ordinary allowance.
    OpenToAbuse(Network),
    /// For asking whether the gateway is well: whose allowance is used up doesn't hear that it is ill.
    Probes(Network),
    /// For tokens that prove not to be valid, beside the ordinary one: finding it out is work.
    Unproven(Network),
}

/// What a call weighs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Weight {
    /// Its answer may last.
    pub(crate) is_stream: bool,
    pub(crate) is_open_to_abuse: bool,
}

#[derive(Debug)]
struct Account {
    bucket: Mutex<Bucket>,
    under_way: AtomicUsize,
}

/// Room for one call among all that are under way.
#[derive(Debug)]
pub(crate) struct Place(OwnedSemaphorePermit);

/// A call under way; its place and its caller's are free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    account: Arc<Account>,
    call: Option<OwnedSemaphorePermit>,
    stream: Option<OwnedSemaphorePermit>,
}

/// What a token that is not verified yet has cost.
#[derive(Debug)]
pub(crate) struct Unproven {
    account: Arc<Account>,
    rate: Rate,
}

#[derive(Clone, Debug)]
struct KeepBusy;

impl Limiter {
    /// With room for so many calls of all callers together.
    pub(crate) fn new(limits: Limits, places: u32) -> Self {
        let hashes = DefaultHashBuilder::default();
        let accounts = Cache::with(REMEMBERED, REMEMBERED as u64, UnitWeighter, hashes, KeepBusy);
        let places = places as usize;
        let streams = Arc::new(Semaphore::new(places * STREAMS_A_CALL));
        Self { limits, calls: Arc::new(Semaphore::new(places)), streams, accounts }
    }

    /// Finds room for a call, whosever it is.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED`: there is none.
    pub(crate) fn enter(&self) -> Result<Place, Status> {
        place(&self.calls).map(Place)
    }

    /// Takes from a network's allowance a token that nobody has verified yet. Who proves to be a user gets it
    /// [back](Unproven::proven), so that only invalid ones are counted.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED`: too many of them weren't valid.
    pub(crate) fn unproven(&self, network: Network, now: Instant) -> Result<Unproven, Status> {
        let (account, rate) = (self.account(Key::Unproven(network), now), self.limits.address());
        account.take(rate, now)?;
        Ok(Unproven { account, rate })
    }

    /// Takes a call from its caller's allowance.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED`: the allowance is used up; says when there will be some again.
    pub(crate) fn admit(
        &self,
        place: Place,
        caller: &Caller,
        weight: Weight,
        now: Instant,
    ) -> Result<Permit, Status> {
        let (key, rate) = match caller.user {
            Some(user) => (Key::User(user), self.limits.user()),
            None => (Key::Network(caller.network), self.limits.address()),
        };
        let account = self.account(key, now);
        account.take(rate, now)?;
        if weight.is_open_to_abuse {
            // By the address whoever signed the call: accounts are what is made or guessed at here.
            self.account(Key::OpenToAbuse(caller.network), now).take(self.limits.sign_in(), now)?;
        }
        self.begin(place, account, weight.is_stream)
    }

    /// As [`admit`](Self::admit), for a probe, which has an allowance of its own.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED`: the allowance is used up.
    pub(crate) fn admit_probe(&self, place: Place, network: Network, now: Instant) -> Result<Permit, Status> {
        let account = self.account(Key::Probes(network), now);
        account.take(self.limits.address(), now)?;
        self.begin(place, account, false)
    }

    fn begin(&self, Place(call): Place, account: Arc<Account>, is_stream: bool) -> Result<Permit, Status> {
        let stream = is_stream.then(|| place(&self.streams)).transpose()?;
        let others = account.under_way.fetch_add(1, Ordering::Relaxed);
        let permit = Permit { account, call: Some(call), stream };
        if others >= self.limits.calls_at_once {
            let message = format!("at most {} calls at once are answered", self.limits.calls_at_once);
            return Err(server::status::exhausted("TOO_MANY_CALLS_AT_ONCE", message, SOON));
        }
        Ok(permit)
    }

    fn account(&self, key: Key, now: Instant) -> Arc<Account> {
        let opened = || {
            let bucket = Mutex::new(Bucket::full(now));
            Ok::<_, std::convert::Infallible>(Arc::new(Account { bucket, under_way: AtomicUsize::new(0) }))
        };
        let Ok(account) = self.accounts.get_or_insert_with(&key, opened);
        account
    }
}

fn place(places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Status> {
    let place = Arc::clone(places).try_acquire_owned();
    place.map_err(|_| server::status::exhausted("OVERLOADED", "too many calls at once", SOON))
}

impl Permit {
    /// Its answer has begun: a stream needs no more than its place among streams.
    pub(crate) fn begun(mut self) -> Self {
        if self.stream.is_some() {
            self.call = None;
        }
        self
    }
}

impl Unproven {
    /// The token is valid.
    pub(crate) fn proven(self) {
        let mut bucket = self.account.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.give_back(self.rate);
    }
}

impl Account {
    fn take(&self, rate: Rate, now: Instant) -> Result<(), Status> {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.take(rate, now).map_err(|wait| {
            let message = format!("more than {} calls a second", rate.per_second);
            server::status::exhausted("TOO_MANY_CALLS", message, wait)
        })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.account.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Lifecycle<Key, Arc<Account>> for KeepBusy {
    type RequestState = ();

    fn begin_request(&self) {}

    fn is_pinned(&self, _: &Key, account: &Arc<Account>) -> bool {
        account.under_way.load(Ordering::Relaxed) > 0
    }
}

impl std::fmt::Debug for Limiter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Limiter").field("limits", &self.limits).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
