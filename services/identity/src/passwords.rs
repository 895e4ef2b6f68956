//! Hashing passwords: slow on purpose, so never more at once than the machine has cores for.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use values::UserId;

use crate::domain::Password;

/// Argon2id with the parameters of the OWASP cheat sheet (19 MiB, 2 passes), a bounded number at once.
#[derive(Clone, Debug)]
pub(crate) struct Passwords {
    /// Who may hash now.
    slots: Arc<Semaphore>,
    /// Who may hash or wait for it. Waiting for ever is worse than being told to come back.
    places: Arc<Semaphore>,
    /// How many turns each signed-in user has now.
    turns: Arc<Mutex<HashMap<UserId, usize>>>,
    hashed: Arc<AtomicU64>,
}

/// A signed-in user's leave to have passwords hashed, one after the other: as many calls as one may hold open, they take
/// few places from others.
#[derive(Debug)]
pub(crate) struct Turn {
    passwords: Passwords,
    held: Arc<Held>,
}

/// Counts until it is dropped.
#[derive(Debug)]
struct Held {
    user: UserId,
    turns: Arc<Mutex<HashMap<UserId, usize>>>,
}

/// Why a password was neither hashed nor verified.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HashError {
    #[error("too many passwords are being hashed")]
    Busy,
    #[error("the user has too many passwords hashed")]
    UserBusy,
    #[error("can't hash a password")]
    Argon2(#[from] argon2::password_hash::Error),
    #[error("can't read a stored password hash")]
    Stored(#[from] argon2::password_hash::phc::Error),
    #[error("hashing a password panicked")]
    Panicked(#[from] tokio::task::JoinError),
}

/// Verified against when there is no user, so that both cases take the same work: the parameters are those of a fresh
/// hash, and no password has it.
const DECOY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// How many may wait for each that hashes: at 45 ms a hash the last one waits for less than a second.
const WAITING_PER_SLOT: usize = 16;

/// How many calls of one user may hash or wait for it: a repeat need not wait until its original has been given up.
const TURNS_PER_USER: usize = 2;

impl Passwords {
    /// At most `at_once` are hashed at a time.
    pub(crate) fn new(at_once: usize) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(at_once)),
            places: Arc::new(Semaphore::new(at_once * (1 + WAITING_PER_SLOT))),
            turns: Arc::default(),
            hashed: Arc::default(),
        }
    }

    /// For a call of a signed-in user.
    pub(crate) fn turn(&self, user: UserId) -> Result<Turn, HashError> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let held = turns.entry(user).or_default();
        if *held >= TURNS_PER_USER {
            return Err(HashError::UserBusy);
        }
        *held += 1;
        let held = Arc::new(Held { user, turns: Arc::clone(&self.turns) });
        Ok(Turn { passwords: self.clone(), held })
    }

    /// The hash to store, a PHC string with a fresh salt.
    pub(crate) async fn hash(&self, password: Password) -> Result<String, HashError> {
        self.hash_for((), password).await
    }

    /// Whether the password is the stored one's. Takes as long where nothing is stored.
    pub(crate) async fn verify(&self, password: Password, stored: Option<&str>) -> Result<bool, HashError> {
        self.verify_for((), password, stored).await
    }

    async fn hash_for(&self, holder: impl Send + 'static, password: Password) -> Result<String, HashError> {
        self.work(holder, move |argon2| Ok(argon2.hash_password(password.as_bytes())?.to_string())).await
    }

    async fn verify_for(
        &self,
        holder: impl Send + 'static,
        password: Password,
        stored: Option<&str>,
    ) -> Result<bool, HashError> {
        let hash = PasswordHash::new(stored.unwrap_or(DECOY))?;
        let is_known = stored.is_some();
        self.work(holder, move |argon2| match argon2.verify_password(password.as_bytes(), &hash) {
            Ok(()) => Ok(is_known),
            Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
            Err(error) => Err(error.into()),
        })
        .await
    }

    /// Runs one piece of Argon2. The permits and whatever else it holds go with it to the thread that hashes: it goes on
    /// when the caller has hung up, and keeps them as long.
    async fn work<T: Send + 'static>(
        &self,
        holder: impl Send + 'static,
        work: impl FnOnce(Argon2<'static>) -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, HashError> {
        let permits = self.permits().await?;
        let hashed = Arc::clone(&self.hashed);
        let span = tracing::info_span!("argon2");
        tokio::task::spawn_blocking(move || {
            let _held = (permits, holder);
            hashed.fetch_add(1, Ordering::Relaxed);
            span.in_scope(|| work(Argon2::default()))
        })
        .await?
    }

    async fn permits(&self) -> Result<[OwnedSemaphorePermit; 2], HashError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| HashError::Busy)?;
        // Fails only for a semaphore that was closed, which nobody does.
        let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(|_| HashError::Busy)?;
        Ok([place, slot])
    }
}

impl Turn {
    /// As `Passwords::hash`.
    pub(crate) async fn hash(&self, password: Password) -> Result<String, HashError> {
        self.passwords.hash_for(Arc::clone(&self.held), password).await
    }

    /// As `Passwords::verify`, where something is stored.
    pub(crate) async fn verify(&self, password: Password, stored: &str) -> Result<bool, HashError> {
        self.passwords.verify_for(Arc::clone(&self.held), password, Some(stored)).await
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = turns.get_mut(&self.user) {
            *held -= 1;
            if *held == 0 {
                turns.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::iter;
    use std::pin::{Pin, pin};
    use std::sync::mpsc;
    use std::task::Poll;

    use tokio::sync::oneshot;

    use super::*;

    fn password(text: &str) -> Password {
        Password::claimed(text).unwrap()
    }

    fn hashed(passwords: &Passwords) -> u64 {
        passwords.hashed.load(Ordering::Relaxed)
    }

    #[tokio::test]
    async fn a_password_verifies_against_its_own_hash_only() {
        let passwords = Passwords::new(2);
        let hash = passwords.hash(password("correct horse")).await.unwrap();
        assert!(passwords.verify(password("correct horse"), Some(&hash)).await.unwrap());
        assert!(!passwords.verify(password("wrong horse"), Some(&hash)).await.unwrap());
        assert_ne!(hash, passwords.hash(password("correct horse")).await.unwrap(), "the salt must be fresh");
    }

    #[tokio::test]
    async fn nobody_verifies_where_nothing_is_stored_and_it_takes_the_same_work() {
        let passwords = Passwords::new(1);
        let hash = passwords.hash(password("correct horse")).await.unwrap();

        let before = hashed(&passwords);
        passwords.verify(password("wrong horse"), Some(&hash)).await.unwrap();
        assert_eq!(hashed(&passwords), before + 1);
        assert!(!passwords.verify(password("wrong horse"), None).await.unwrap());
        assert_eq!(hashed(&passwords), before + 2);

        let (fresh, decoy) = (PasswordHash::new(&hash).unwrap(), PasswordHash::new(DECOY).unwrap());
        assert_eq!(
            (fresh.algorithm, fresh.version, fresh.params),
            (decoy.algorithm, decoy.version, decoy.params)
        );
        assert_eq!(fresh.hash.map(|hash| hash.len()), decoy.hash.map(|hash| hash.len()));
        assert_eq!(fresh.salt.map(|salt| salt.len()), decoy.salt.map(|salt| salt.len()));
    }

    /// Work that lasts until it is told to end, and how to tell it. Whoever awaits the second part knows that it began.
    fn endless(
        passwords: &Passwords,
    ) -> (impl Future<Output = Result<(), HashError>>, oneshot::Receiver<()>, mpsc::Sender<()>) {
        let ((began, has_begun), (end, is_told_to_end)) = (oneshot::channel(), mpsc::channel());
        let work = passwords.work((), move |_| {
            let _ = (began.send(()), is_told_to_end.recv());
            Ok(())
        });
        (work, has_begun, end)
    }

    async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
        poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
    }

    #[tokio::test]
    async fn no_more_work_at_once_than_told_and_who_finds_the_queue_full_is_told_at_once() {
        let passwords = Passwords::new(1);
        let (working, has_begun, end) = endless(&passwords);
        let mut working = pin!(working);
        assert!(poll_once(working.as_mut()).await.is_pending());
        has_begun.await.unwrap();

        let mut waiting: Vec<_> = iter::repeat_with(|| Box::pin(passwords.verify(password("x"), None)))
            .take(WAITING_PER_SLOT)
            .collect();
        for call in &mut waiting {
            assert!(poll_once(call.as_mut()).await.is_pending());
        }
        assert!(matches!(passwords.verify(password("x"), None).await, Err(HashError::Busy)));
        assert_eq!(hashed(&passwords), 1, "only the first has begun");

        end.send(()).unwrap();
        working.await.unwrap();
        for call in waiting {
            assert!(!call.await.unwrap());
        }
        assert!(passwords.verify(password("x"), None).await.is_ok(), "the queue is empty again");
    }

    #[tokio::test]
    async fn a_caller_who_hangs_up_keeps_the_slot_until_the_work_is_done() {
        let passwords = Passwords::new(1);
        let (abandoned, has_begun, end) = endless(&passwords);
        {
            let mut abandoned = pin!(abandoned);
            assert!(poll_once(abandoned.as_mut()).await.is_pending());
        }
        has_begun.await.unwrap();
        assert_eq!(passwords.slots.available_permits(), 0);
        end.send(()).unwrap();
        let _slot = passwords.slots.acquire().await.unwrap();
    }

    #[tokio::test]
    async fn one_user_takes_few_places_and_keeps_them_until_the_work_is_done() {
        let passwords = Passwords::new(1);
        let (ada, grace) = (UserId::new(), UserId::new());
        let (working, has_begun, end) = endless(&passwords);
        let mut working = pin!(working);
        assert!(poll_once(working.as_mut()).await.is_pending());
        has_begun.await.unwrap();

        let turns: Vec<_> = iter::repeat_with(|| passwords.turn(ada).unwrap()).take(TURNS_PER_USER).collect();
        let mut waiting: Vec<_> =
            turns.iter().map(|turn| Box::pin(turn.verify(password("x"), DECOY))).collect();
        for call in &mut waiting {
            assert!(poll_once(call.as_mut()).await.is_pending());
        }
        assert!(matches!(passwords.turn(ada), Err(HashError::UserBusy)));
        let hers = passwords.turn(grace).unwrap();

        end.send(()).unwrap();
        working.await.unwrap();
        for call in waiting {
            assert!(!call.await.unwrap());
        }
        assert!(!hers.verify(password("x"), DECOY).await.unwrap());
        drop((turns, hers));
        passwords.turn(ada).unwrap();
        assert!(passwords.turns.lock().unwrap().is_empty(), "who has no turn is forgotten");
    }

    #[tokio::test]
    async fn who_hangs_up_gets_no_other_turn_for_it() {
        let passwords = Passwords::new(1);
        let ada = UserId::new();
        let turns: Vec<_> = iter::repeat_with(|| passwords.turn(ada).unwrap()).take(TURNS_PER_USER).collect();
        let ((began, has_begun), (end, is_told_to_end)) = (oneshot::channel(), mpsc::channel());
        {
            let mut abandoned = pin!(passwords.work(Arc::clone(&turns[0].held), move |_| {
                let _ = (began.send(()), is_told_to_end.recv());
                Ok(())
            }));
            assert!(poll_once(abandoned.as_mut()).await.is_pending());
        }
        has_begun.await.unwrap();
        drop(turns);
        assert_eq!(passwords.turns.lock().unwrap().get(&ada), Some(&1));
        end.send(()).unwrap();
        let _slot = passwords.slots.acquire().await.unwrap();
    }
}
