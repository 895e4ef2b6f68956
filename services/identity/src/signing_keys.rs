//! The keys that sign access tokens, one after the other.
//!
//! The table says which one signs at each moment, so that all replicas agree; here lies what was read of it. A new key is
//! served for long enough that every service knows it before it signs, and served on until its last token has expired.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use auth::{AccessToken, PublicKey, SealError, SigningKey, Verifier};
use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, TransactionTrait};
use server::database::answered;
use tokio_util::sync::CancellationToken;
use values::{RequestId, UserId};

use crate::error::{Error, Result};
use crate::store::signing_keys::{self, Made, NewKey, Served};

/// How long a new key is served before it signs, unless configured otherwise.
pub(crate) const LEAD: Duration = Duration::from_mins(10);
const _: () = assert!(LEAD.as_secs() > Verifier::KNOWS_KEYS_WITHIN.as_secs() + RELOAD.as_secs());

/// Between two looks at the table.
const RELOAD: Duration = Duration::from_secs(5);
/// For how long tokens of a key can be good after the next one began to sign; the clocks of replicas may differ from the
/// database's by some minutes.
const TOKEN_LIFE: Duration = Duration::from_secs(AccessToken::LONGEST.as_secs() + 5 * 60);

/// The keys, as this replica knows them.
#[derive(Debug)]
pub(crate) struct SigningKeys {
    configured: SigningKey,
    lead: Duration,
    period: Duration,
    verifier: Verifier,
    ring: RwLock<Arc<Ring>>,
}

#[derive(Default, Debug)]
struct Ring {
    public: Vec<PublicKey>,
    /// By name, those that the configured key opens.
    private: HashMap<String, SigningKey>,
}

impl SigningKeys {
    /// Of identity with this configured key: the first of them, and what the others are encrypted with.
    pub(crate) fn new(configured: SigningKey, lead: Duration, period: Duration, verifier: Verifier) -> Self {
        Self { configured, lead, period, verifier, ring: RwLock::default() }
    }

    /// What tokens are verified with.
    pub(crate) fn public(&self) -> Vec<PublicKey> {
        self.ring().public.clone()
    }

    /// What signs at this moment.
    pub(crate) async fn current(&self, db: &impl ConnectionTrait) -> Result<SigningKey> {
        let kid = signing_keys::current(db, self.configured.kid()).await?.ok_or(Error::NoSigningKey)?;
        if let Some(key) = self.ring().private.get(&kid) {
            return Ok(key.clone());
        }
        self.load(signing_keys::all(db, TOKEN_LIFE).await?);
        self.ring().private.get(&kid).cloned().ok_or(Error::NoSigningKey)
    }

    /// Reads the table again. The configured key signs where none that it opens does: at the very first start, and where
    /// another one is configured than before, or the one from before that again.
    pub(crate) async fn reload(&self, db: &impl ConnectionTrait) -> Result<()> {
        let mut served = signing_keys::all(db, TOKEN_LIFE).await?;
        let is_ours = |key: &Served| key.is_active && key.sealed_by == self.configured.kid();
        if !served.iter().any(is_ours) {
            signing_keys::delete_outlived(db, TOKEN_LIFE).await?;
            fault::around(
                "identity.register_key.commit",
                signing_keys::register(db, self.configured.public()),
            )
            .await?;
            served = signing_keys::all(db, TOKEN_LIFE).await?;
        }
        self.load(served);
        Ok(())
    }

    /// Makes a key for whoever asks, once for each request. The caller may.
    pub(crate) async fn rotate_for(
        &self,
        tx: &DatabaseTransaction,
        caller: UserId,
        request_id: &RequestId,
    ) -> Result<(Made, bool)> {
        signing_keys::lock(tx).await?;
        if let Some(made) = signing_keys::find_by_request(tx, caller, request_id).await? {
            return Ok((made, false));
        }
        Ok((self.make(tx, Some((caller, request_id))).await?, true))
    }

    /// Makes a key if it is time to, and deletes those that aren't served any more. Any number of replicas may try.
    pub(crate) async fn sweep(&self, db: &DatabaseConnection) -> Result<()> {
        let made = self.rotate_if_due(db).await?;
        let deleted = signing_keys::delete_outlived(db, TOKEN_LIFE);
        let deleted = fault::around("identity.delete_keys.commit", deleted).await?;
        if deleted > 0 || made.is_some() {
            self.reload(db).await?;
            let made = made.map(|made| made.kid);
            tracing::info!(deleted, made, "signing keys are rotated");
        }
        Ok(())
    }

    async fn rotate_if_due(&self, db: &DatabaseConnection) -> Result<Option<Made>> {
        let configured = self.configured.kid();
        if !signing_keys::is_due(db, configured, self.period).await? {
            return Ok(None);
        }
        let tx = db.begin().await?;
        signing_keys::lock(&tx).await?;
        // Another replica may have come first.
        if !signing_keys::is_due(&tx, configured, self.period).await? {
            return Ok(None);
        }
        let made = self.make(&tx, None).await?;
        fault::around("identity.signing_key.commit", tx.commit()).await?;
        Ok(Some(made))
    }

    async fn make(&self, tx: &DatabaseTransaction, request: Option<(UserId, &RequestId)>) -> Result<Made> {
        let (key, _) = SigningKey::generate();
        let new = NewKey {
            public: key.public(),
            sealed_by: self.configured.kid(),
            sealed: self.configured.seal(&key)?,
            lead: self.lead,
        };
        Ok(signing_keys::insert(tx, new, request).await?)
    }

    fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn load(&self, served: Vec<Served>) {
        let before = self.ring();
        let mut ring = Ring::default();
        for row in served {
            ring.public.push(row.public());
            match before.private.get(&row.kid).cloned().map_or_else(|| self.open(&row), |key| Ok(Some(key))) {
                Ok(Some(key)) => drop(ring.private.insert(row.kid, key)),
                // Of another configured key.
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(kid = row.kid, %error, "the signing key was changed in the database");
                }
            }
        }
        self.verifier.set_keys(ring.public.clone());
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring);
    }

    fn open(&self, row: &Served) -> std::result::Result<Option<SigningKey>, SealError> {
        if row.sealed_by != self.configured.kid() {
            return Ok(None);
        }
        match &row.sealed {
            None => Ok(Some(self.configured.clone())),
            Some(sealed) => self.configured.open(&row.kid, sealed).map(Some),
        }
    }
}

/// Reads the table again and again, until `stop`.
pub(crate) async fn follow(keys: Arc<SigningKeys>, db: DatabaseConnection, stop: CancellationToken) {
    let mut is_failing = false;
    while stop.run_until_cancelled(tokio::time::sleep(RELOAD)).await.is_some() {
        let outcome = answered(keys.reload(&db)).await;
        if let Err(error) = &outcome
            && !is_failing
        {
            tracing::warn!(%error, "the signing keys can't be read; those at hand stay in use");
        }
        is_failing = outcome.is_err();
    }
}
