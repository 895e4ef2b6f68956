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
use tonic::Status;
use values::UserId;

use crate::caller::{Caller, Network};
use bucket::Bucket;
pub(crate) use bucket::Rate;
pub use config::Limits;

/// How many callers are remembered: some 10 MB. Of the others the longest unseen are forgotten, which gives them a full
/// allowance again; those with calls under way are not.
const REMEMBERED: usize = 65_536;

/// When to come back with a call for which there are too many others.
const SOON: Duration = Duration::from_millis(500);

/// Keeps callers to their limits.
pub(crate) struct Limiter {
    limits: Limits,
    accounts: Cache<Key, Arc<Account>, UnitWeighter, DefaultHashBuilder, KeepBusy>,
}

/// Whose allowance a call is taken from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Key {
    User(UserId),
    Network(Network),
    /// For what anybody may make the shop do, beside the ordinary allowance.
    OpenToAbuse(Network),
}

#[derive(Debug)]
struct Account {
    bucket: Mutex<Bucket>,
    under_way: AtomicUsize,
}

/// A call under way; its place is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Permit(Arc<Account>);

#[derive(Clone, Debug)]
struct KeepBusy;

impl Limiter {
    pub(crate) fn new(limits: Limits) -> Self {
        let weights = (UnitWeighter, DefaultHashBuilder::default());
        Self { limits, accounts: Cache::with(REMEMBERED, REMEMBERED as u64, weights.0, weights.1, KeepBusy) }
    }

    /// Takes a call from its caller's allowance.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED`: the allowance is used up; says when there will be some again.
    pub(crate) fn admit(
        &self,
        caller: &Caller,
        is_open_to_abuse: bool,
        now: Instant,
    ) -> Result<Permit, Status> {
        let (key, rate) = match caller.user {
            Some(user) => (Key::User(user), self.limits.user()),
            None => (Key::Network(caller.network), self.limits.address()),
        };
        let account = self.account(key, now);
        account.take(rate, now)?;
        if is_open_to_abuse {
            // By the address whoever signed the call: accounts are what is being made here.
            self.account(Key::OpenToAbuse(caller.network), now).take(self.limits.sign_in(), now)?;
        }
        if account.under_way.fetch_add(1, Ordering::Relaxed) >= self.limits.calls_at_once {
            drop(Permit(account));
            let message = format!("at most {} calls at once are answered", self.limits.calls_at_once);
            return Err(server::status::exhausted("TOO_MANY_CALLS_AT_ONCE", message, SOON));
        }
        Ok(Permit(account))
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
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
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
