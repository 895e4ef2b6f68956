use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use jsonwebtoken::DecodingKey;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use crate::PublicKey;

/// Where the public keys come from: identity's `GetJwks`.
pub trait KeySource: Send + Sync + 'static {
    /// All keys whose tokens may still be valid.
    fn fetch(&self) -> impl Future<Output = Result<Vec<PublicKey>, FetchError>> + Send;
}

/// The keys couldn't be fetched.
#[derive(Clone, Debug, thiserror::Error)]
#[error("can't fetch the public keys: {0}")]
pub struct FetchError(String);

impl FetchError {
    /// For the reason given.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// `KeySource` as an object, so that a `Verifier` has one type whatever feeds it.
trait Source: Send + Sync {
    fn fetch(&self) -> Pin<Box<dyn Future<Output = Result<Vec<PublicKey>, FetchError>> + Send + '_>>;
}

impl<S: KeySource> Source for S {
    fn fetch(&self) -> Pin<Box<dyn Future<Output = Result<Vec<PublicKey>, FetchError>> + Send + '_>> {
        Box::pin(KeySource::fetch(self))
    }
}

type KeysById = HashMap<String, Arc<Key>>;

/// A key that is served, ready for use.
pub(crate) struct Key {
    public: PublicKey,
    pub(crate) decoding: DecodingKey,
}

/// The keys at hand, and how to get newer ones.
pub(crate) struct Keys {
    by_id: ArcSwap<KeysById>,
    source: Option<Box<dyn Source>>,
    /// Held while fetching, so that there is one fetch at a time.
    refresh: Mutex<Refresh>,
    /// Counts fetches that ended: who waited for one can tell, and takes its outcome instead of fetching again.
    fetches: AtomicU64,
}

#[derive(Default)]
struct Refresh {
    /// Nothing is fetched for unknown keys before this moment, so that made-up key ids don't become load on identity,
    /// least of all while it has trouble.
    not_before: Option<Instant>,
    last_failed: bool,
}

impl Refresh {
    fn ended(&mut self, cool_down: Duration, failed: bool) {
        *self = Self { not_before: Some(Instant::now() + jittered(cool_down)), last_failed: failed };
    }
}

/// Why there is no key.
#[derive(Debug)]
pub(crate) enum NoKey {
    Unknown,
    Unavailable,
}

/// Between two fetches that unknown keys cause.
const COOL_DOWN: Duration = Duration::from_secs(5);
/// After a fetch that failed: short, since until one succeeds valid tokens may be turned away.
const COOL_DOWN_FAILED: Duration = Duration::from_secs(1);
/// Between two fetches that nothing causes: how long a key that was taken back stays in use at most.
const PERIOD: Duration = Duration::from_mins(5);
/// After a periodic fetch that failed.
const RETRY: Duration = Duration::from_secs(30);
/// After this long a key that is served is at hand everywhere, though two fetches failed.
pub(crate) const KNOWN_WITHIN: Duration = Duration::from_mins(8);
const _: () = assert!((PERIOD.as_secs() + 2 * RETRY.as_secs()) * 5 / 4 < KNOWN_WITHIN.as_secs());

impl Keys {
    pub(crate) fn fixed(keys: Vec<PublicKey>) -> Arc<Self> {
        Arc::new(Self::new(keys, None))
    }

    pub(crate) fn fetching(source: impl KeySource) -> Arc<Self> {
        let keys = Arc::new(Self::new(Vec::new(), Some(Box::new(source))));
        tokio::spawn(refresh_periodically(Arc::downgrade(&keys)));
        keys
    }

    fn new(keys: Vec<PublicKey>, source: Option<Box<dyn Source>>) -> Self {
        Self {
            by_id: ArcSwap::from_pointee(index(keys)),
            source,
            refresh: Mutex::default(),
            fetches: AtomicU64::new(0),
        }
    }

    /// The key of that name, fetched if it isn't at hand.
    pub(crate) async fn find(&self, kid: &str) -> Result<Arc<Key>, NoKey> {
        let fetches_before = self.fetches.load(Ordering::Acquire);
        if let Some(key) = self.at_hand(kid) {
            return Ok(key);
        }
        let Some(source) = &self.source else { return Err(NoKey::Unknown) };
        let mut refresh = self.refresh.lock().await;
        let waited_for_a_fetch = self.fetches.load(Ordering::Acquire) != fetches_before;
        let is_cooling_down = refresh.not_before.is_some_and(|moment| Instant::now() < moment);
        if !waited_for_a_fetch && !is_cooling_down {
            self.fetch(source.as_ref(), &mut refresh).await;
        }
        match self.at_hand(kid) {
            Some(key) => Ok(key),
            None if refresh.last_failed => Err(NoKey::Unavailable),
            None => Err(NoKey::Unknown),
        }
    }

    /// Has these at hand from now on.
    pub(crate) fn replace(&self, keys: Vec<PublicKey>) {
        self.by_id.store(Arc::new(index(keys)));
    }

    /// Whether the key is still at hand, as it was.
    pub(crate) fn serve(&self, key: &Key) -> bool {
        self.by_id.load().get(&key.public.kid).is_some_and(|served| served.public == key.public)
    }

    fn at_hand(&self, kid: &str) -> Option<Arc<Key>> {
        self.by_id.load().get(kid).cloned()
    }

    async fn fetch(&self, source: &dyn Source, refresh: &mut Refresh) {
        match source.fetch().await {
            Ok(keys) => {
                self.by_id.store(Arc::new(index(keys)));
                refresh.ended(COOL_DOWN, false);
            }
            Err(error) => {
                tracing::warn!(%error, "the keys at hand stay in use");
                refresh.ended(COOL_DOWN_FAILED, true);
            }
        }
        self.fetches.fetch_add(1, Ordering::Release);
    }
}

/// Ends when nobody holds the keys any more.
async fn refresh_periodically(keys: Weak<Keys>) {
    let mut pause = PERIOD;
    loop {
        sleep(jittered(pause)).await;
        let Some(keys) = keys.upgrade() else { return };
        let Some(source) = &keys.source else { return };
        let mut refresh = keys.refresh.lock().await;
        keys.fetch(source.as_ref(), &mut refresh).await;
        pause = if refresh.last_failed { RETRY } else { PERIOD };
    }
}

fn index(keys: Vec<PublicKey>) -> KeysById {
    keys.into_iter()
        .filter_map(|public| match DecodingKey::from_ed_components(&public.x) {
            Ok(decoding) => Some((public.kid.clone(), Arc::new(Key { public, decoding }))),
            Err(error) => {
                tracing::warn!(kid = public.kid, %error, "not an Ed25519 public key; its tokens won't be accepted");
                None
            }
        })
        .collect()
}

/// Up to a quarter longer, so that replicas don't ask in step.
fn jittered(pause: Duration) -> Duration {
    let mut byte = [0];
    // Without randomness the pause is just not spread.
    let _ = aws_lc_rs::rand::fill(&mut byte);
    pause + pause * u32::from(byte[0]) / 1024
}
