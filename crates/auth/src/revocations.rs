//! Which access tokens are not good any more although they haven't expired.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Notify;
use values::{SessionId, UserId};

use crate::Customer;

/// How long a revocation is kept after it came: longer than any token from before it can live.
const KEPT: TimeDelta = TimeDelta::minutes(16);
/// More than that many are not kept; the oldest goes first, since its tokens are the nearest to their end. A million in
/// 16 minutes takes a thousand sign-ins a second, each of which costs identity 45 ms of hashing.
const MOST: usize = 1 << 20;
/// Those who wait for a revocation wait in this many groups, so that one wakes few of them.
const GROUPS: usize = 256;

/// The sign-ins that ended and the accesses that changed within the life of a token.
///
/// Filled from identity's events by every replica of every service; all clones are one.
#[derive(Clone)]
pub struct Revocations(Arc<Shared>);

struct Shared {
    noted: RwLock<Noted>,
    hasher: RandomState,
    waiting: [Notify; GROUPS],
}

#[derive(Default)]
struct Noted {
    sessions: HashMap<SessionId, DateTime<Utc>>,
    users: HashMap<UserId, Least>,
    /// In the order in which they came.
    order: VecDeque<(DateTime<Utc>, Subject)>,
}

#[derive(Clone, Copy)]
struct Least {
    version: i64,
    came: DateTime<Utc>,
}

#[derive(Clone, Copy)]
enum Subject {
    Session(SessionId),
    User(UserId),
}

impl Revocations {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Shared {
            noted: RwLock::default(),
            hasher: RandomState::new(),
            waiting: std::array::from_fn(|_| Notify::new()),
        }))
    }

    /// Accepts no token of the session from now on. Repeats do nothing.
    pub fn revoke_session(&self, session: SessionId, now: DateTime<Utc>) {
        {
            let mut noted = self.0.noted.write().unwrap_or_else(PoisonError::into_inner);
            noted.forget(now, MOST);
            if noted.sessions.contains_key(&session) {
                return;
            }
            noted.sessions.insert(session, now);
            noted.order.push_back((now, Subject::Session(session)));
        }
        self.0.group(&session).notify_waiters();
    }

    /// Accepts no token of the user from now on whose `ver` is below `least_version`. A version that isn't above the
    /// present one does nothing, so events may come twice and in any order.
    pub fn require(&self, user: UserId, least_version: i64, now: DateTime<Utc>) {
        {
            let mut noted = self.0.noted.write().unwrap_or_else(PoisonError::into_inner);
            noted.forget(now, MOST);
            if noted.users.get(&user).is_some_and(|least| least.version >= least_version) {
                return;
            }
            noted.users.insert(user, Least { version: least_version, came: now });
            noted.order.push_back((now, Subject::User(user)));
        }
        self.0.group(&user).notify_waiters();
    }

    /// Whether the customer's token has not been revoked.
    #[must_use]
    pub fn allows(&self, customer: &Customer) -> bool {
        self.allow(customer.user_id, customer.session_id, customer.version)
    }

    pub(crate) fn allow(&self, user: UserId, session: SessionId, version: i64) -> bool {
        let noted = self.0.noted.read().unwrap_or_else(PoisonError::into_inner);
        !noted.sessions.contains_key(&session)
            && noted.users.get(&user).is_none_or(|least| version >= least.version)
    }

    /// Resolves when the customer's token is revoked, at once if it has been.
    pub fn revoked(&self, customer: &Customer) -> impl Future<Output = ()> + Send + 'static + use<> {
        let this = self.clone();
        let (user, session, version) = (customer.user_id, customer.session_id, customer.version);
        async move {
            let (of_session, of_user) = (this.0.group(&session), this.0.group(&user));
            loop {
                let (mut session_ends, mut access_changes) =
                    (pin!(of_session.notified()), pin!(of_user.notified()));
                // Before looking: what is noted between the look and the wait must wake us.
                session_ends.as_mut().enable();
                access_changes.as_mut().enable();
                if !this.allow(user, session, version) {
                    return;
                }
                tokio::select! {
                    () = session_ends => {}
                    () = access_changes => {}
                }
            }
        }
    }

    /// How many are kept.
    #[must_use]
    pub fn count(&self) -> usize {
        let noted = self.0.noted.read().unwrap_or_else(PoisonError::into_inner);
        noted.sessions.len() + noted.users.len()
    }
}

impl Shared {
    fn group(&self, id: &impl Hash) -> &Notify {
        let hash = self.hasher.hash_one(id);
        &self.waiting[usize::from(hash.to_le_bytes()[0])]
    }
}

impl Noted {
    fn forget(&mut self, now: DateTime<Utc>, most: usize) {
        while let Some((came, subject)) = self.order.front().copied() {
            let is_due = now.signed_duration_since(came) >= KEPT;
            if !is_due && self.order.len() < most {
                return;
            }
            if !is_due {
                tracing::error!("too many revocations: the oldest is forgotten before its tokens end");
            }
            self.order.pop_front();
            match subject {
                Subject::Session(session) => drop(self.sessions.remove(&session)),
                // A later change of the same user stands further back, and stays.
                Subject::User(user) => {
                    if self.users.get(&user).is_some_and(|least| least.came == came) {
                        self.users.remove(&user);
                    }
                }
            }
        }
    }
}

impl Default for Revocations {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Revocations {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Revocations").field("count", &self.count()).finish()
    }
}

#[cfg(test)]
mod tests;
