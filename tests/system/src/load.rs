use std::{
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Result, ensure};
use testkit::eventually;
use tokio::{
    sync::Semaphore,
    task::JoinHandle,
    time::{Instant, interval},
};

/// Calls under way at once, at most: a busy machine is not to be buried.
const AT_ONCE: u32 = 16;
/// Until so many calls more have been answered.
const PATIENCE: Duration = Duration::from_mins(1);
/// What `DEADLINE_EXCEEDED` says of itself.
const LATE: &str = "Deadline expired";

/// Calls that go on while something happens to the shop.
#[derive(Debug)]
pub struct Load {
    tally: Arc<Tally>,
    caller: JoinHandle<()>,
}

#[derive(Debug)]
struct Tally {
    began: Instant,
    has_ended: AtomicBool,
    answered: AtomicUsize,
    failures: Mutex<Vec<String>>,
}

impl Load {
    /// Makes so many calls a second, evenly, whether those before are answered or not: fewer only where too many are
    /// under way. They are numbered from 0 on.
    pub fn start<F>(rate: u32, call: impl Fn(usize) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let tally = Arc::new(Tally {
            began: Instant::now(),
            has_ended: AtomicBool::new(false),
            answered: AtomicUsize::new(0),
            failures: Mutex::default(),
        });
        let caller = tokio::spawn(go_on(rate, call, tally.clone()));
        Self { tally, caller }
    }

    /// How many calls have been answered.
    #[must_use]
    pub fn answered(&self) -> usize {
        self.tally.answered.load(Ordering::Relaxed)
    }

    /// Waits until so many calls more have been answered.
    pub async fn goes_on(&self, calls: usize) -> Result<()> {
        let enough = self.answered() + calls;
        let what = format!("{calls} calls more");
        eventually(&what, PATIENCE, async || (self.answered() >= enough).then_some(())).await
    }

    /// Which calls failed so far, when, and how.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        self.tally.failures.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for the calls that are under way; none may have failed, of all.
    ///
    /// # Errors
    /// Some were not answered in time, and that is all.
    ///
    /// # Panics
    /// Others have failed, too.
    pub async fn succeeds(self) -> Result<()> {
        let failures = self.end().await?;
        let late = failures.iter().filter(|failure| failure.contains(LATE)).count();
        ensure!(late == 0 || late < failures.len(), "{late} calls were late:\n{}", failures.join("\n"));
        assert_eq!(failures, Vec::<String>::new());
        Ok(())
    }

    /// Waits for the calls that are under way; says which failed, of all.
    pub async fn end(self) -> Result<Vec<String>> {
        self.tally.has_ended.store(true, Ordering::Relaxed);
        (&mut { self.caller }).await?;
        Ok(std::mem::take(&mut self.tally.failures.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

async fn go_on<F>(rate: u32, call: impl Fn(usize) -> F, tally: Arc<Tally>)
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let turns = Arc::new(Semaphore::new(AT_ONCE as usize));
    let mut ticks = interval(Duration::from_secs(1) / rate);
    for number in 0.. {
        ticks.tick().await;
        // Never closed.
        let Ok(turn) = turns.clone().acquire_owned().await else { return };
        if tally.has_ended.load(Ordering::Relaxed) {
            break;
        }
        let (answer, tally) = (call(number), tally.clone());
        tokio::spawn(async move {
            let began = tally.began.elapsed();
            if let Err(error) = answer.await {
                let ended = tally.began.elapsed();
                let failure = format!("call {number}, {began:.1?} to {ended:.1?}: {error:#}");
                tally.failures.lock().unwrap_or_else(PoisonError::into_inner).push(failure);
            }
            tally.answered.fetch_add(1, Ordering::Relaxed);
            drop(turn);
        });
    }
    // All that are under way.
    let _ = turns.acquire_many(AT_ONCE).await;
}
