//! One outage after the other under the same traffic: what must be heard during each, and how soon all is well again.

use std::{collections::BTreeMap, error::Error as _, time::Duration};

use anyhow::{Result, bail, ensure};
use system_tests::{Replica, Service, Shop};
use testkit::eventually;
use tokio::time::{Instant, sleep_until};
use tonic::Code;
use tonic_types::StatusExt as _;

use super::{
    report,
    traffic::{Ask, Heard, Traffic},
};

const OPENING: Duration = Duration::from_mins(1);
/// What is not there refuses at once, or after a look for it; what hangs may take as long as its caller.
pub(super) const FAST: Duration = Duration::from_secs(1);
/// What lasts no longer may pass unnoticed: who called waits.
pub(super) const HICCUP: Duration = Duration::from_secs(1);
/// Until all is as it was before.
const CALM: Duration = Duration::from_secs(30);
/// So much of the past says how the shop does.
const WINDOW: Duration = Duration::from_secs(3);
/// Until health says what is missing: it looks every two seconds, and this machine may be busy.
const NOTICED: Duration = Duration::from_secs(20);
/// Attempts that may be made beyond a fifth more than what was asked for: what a retry budget has saved up, for each of
/// the two callers that a service has at most, and what is looked after by itself.
const SPARE_ATTEMPTS: f64 = 450.0;

/// What is broken, and who feels it.
pub(super) struct Outage<'a> {
    pub(super) name: &'a str,
    pub(super) lasts: Duration,
    /// What may fail meanwhile.
    pub(super) hits: &'a [Ask],
    /// Whoever is refused, rather than kept waiting to the deadline, hears so within this, mostly.
    pub(super) refuses_within: Duration,
    /// Whose health names what is missing.
    pub(super) says: &'a [(Service, &'a str)],
}

/// A shop under traffic.
pub(super) struct Scene {
    pub(super) shop: Shop,
    pub(super) traffic: Traffic,
}

impl Scene {
    pub(super) async fn open(shop: Shop) -> Result<Self> {
        // The gateway connects when it is first called, which on a busy machine may take more than one try.
        eventually("somebody comes in", OPENING, async || shop.admin().await.ok()).await?;
        let traffic = Traffic::start(&shop).await?;
        Ok(Self { shop, traffic })
    }

    /// Ends the traffic: every order taken is confirmed, and the databases agree.
    pub(super) async fn close(self) -> Result<()> {
        let placed = self.traffic.end().await?;
        report(&format!("{} orders taken, all confirmed", placed.len()));
        self.shop.check(&placed).await
    }

    /// Breaks something for a while, and holds what customers and operators are told against what is promised.
    pub(super) async fn survives(
        &self,
        outage: &Outage<'_>,
        breaks: impl AsyncFnOnce(&Shop) -> Result<()>,
        mends: impl AsyncFnOnce(&Shop) -> Result<()>,
    ) -> Result<()> {
        let before = self.becomes_calm(Instant::now(), None).await?.median;
        let attempts = self.attempts().await?;
        let began = Instant::now();
        breaks(&self.shop).await?;
        let noticed = self.health_says(outage.says, false).await?;
        sleep_until(began + outage.lasts).await;
        mends(&self.shop).await?;
        let ended = Instant::now();
        let calm = match self.becomes_calm(ended, Some(before)).await {
            Ok(calm) => calm,
            Err(error) => {
                let logs = self.shop.keep_logs();
                bail!("{}: {error:#}\n{}\n{}", outage.name, self.told_since(ended), logs.display())
            }
        };
        let taken_back = self.health_says(outage.says, true).await?;

        let heard: Vec<Heard> =
            self.traffic.heard_since(began).into_iter().filter(|it| it.began < calm.since).collect();
        let attempts = grown(&attempts, &self.attempts().await?);
        report(&format!(
            "{}, {:.1?}: {}; calm {:.1?} after the end; median {before:.1?}, then {:.1?}",
            outage.name,
            ended - began,
            Tally::of(&heard),
            calm.since - ended,
            calm.median,
        ));
        if !outage.says.is_empty() {
            report(&format!(
                "  health said so after {noticed:.1?}, and took it back within {taken_back:.1?}"
            ));
        }
        refusals_are_right(outage, &heard)?;
        no_storm(outage, &self.traffic.heard_since(began), &attempts)
    }

    /// Waits until nothing has failed for a while, all was answered about as soon as `usually`, and nobody still waits for
    /// what may yet be refused.
    async fn becomes_calm(&self, from: Instant, usually: Option<Duration>) -> Result<Calm> {
        eventually("all is calm", CALM, async || {
            let since = Instant::now().checked_sub(WINDOW).filter(|since| *since >= from)?;
            // Looked at first: who is answered meanwhile is heard.
            let nobody_waits = self.traffic.longest_wait() <= FAST;
            let heard = self.traffic.heard_since(since);
            let all_answer = Ask::ALL.iter().all(|ask| heard.iter().any(|heard| heard.ask == *ask));
            let is_refused = heard.iter().any(|heard| heard.refusal.is_some());
            if !nobody_waits || !all_answer || is_refused {
                return None;
            }
            let median = median(heard.iter().map(|heard| heard.took))?;
            let is_usual = usually.is_none_or(|usually| median <= 2 * usually + NOISE);
            is_usual.then_some(Calm { since, median })
        })
        .await
    }

    /// Waits until health and metrics of all of them say so.
    async fn health_says(&self, names: &[(Service, &str)], is_up: bool) -> Result<Duration> {
        let asked = Instant::now();
        for (service, name) in names {
            let what = format!("{}'s health says of {name}: {is_up}", service.name());
            eventually(&what, NOTICED, async || {
                let label = format!(r#"dependency="{name}""#);
                let metric = self.shop.metric(*service, "bookstore_dependency_up", &label).await.ok()?;
                let health = self.shop.health(*service, name).await.ok()?;
                (health == Some(is_up) && (metric > 0.5) == is_up).then_some(())
            })
            .await?;
        }
        Ok(asked.elapsed())
    }

    /// How often anybody has sent a request to each service, by each caller.
    async fn attempts(&self) -> Result<BTreeMap<(Service, Replica), f64>> {
        let mut attempts = BTreeMap::new();
        for caller in self.shop.replicas().await {
            for callee in Service::WITH_DATABASE {
                let label = format!(r#"callee="{}""#, callee.name());
                // On a busy machine a look may take too long.
                let made = eventually("a look at a caller's metrics", NOTICED, async || {
                    self.shop.metric(caller, "mesh_client_attempts_total", &label).await.ok()
                })
                .await?;
                attempts.insert((callee, caller), made);
            }
        }
        Ok(attempts)
    }

    fn told_since(&self, moment: Instant) -> String {
        let mut told: Vec<String> = self
            .traffic
            .heard_since(moment)
            .into_iter()
            .filter_map(|heard| Some(format!("{:?} after {:.1?}: {}", heard.ask, heard.took, heard.refusal?)))
            .collect();
        told.reverse();
        told.truncate(20);
        told.join("\n")
    }
}

/// What a busy machine adds to a median.
const NOISE: Duration = Duration::from_millis(50);

struct Calm {
    since: Instant,
    median: Duration,
}

/// Who is refused hears why, soon, and when to come back; what doesn't need what is missing doesn't notice.
fn refusals_are_right(outage: &Outage<'_>, heard: &[Heard]) -> Result<()> {
    let name = outage.name;
    let is_felt = outage.hits.is_empty() || heard.iter().any(|heard| heard.refusal.is_some());
    ensure!(is_felt || outage.lasts == HICCUP, "{name}: nobody noticed");
    let refused: Vec<_> = heard.iter().filter_map(|it| Some((it, it.refusal.as_ref()?))).collect();
    for (heard, refusal) in &refused {
        ensure!(outage.hits.contains(&heard.ask), "{name}: {:?} does not need it, but {refusal}", heard.ask);
        match heard.code() {
            Code::DeadlineExceeded => {}
            // HTTP/2 itself asks for calm whoever has given up many calls over one connection, and ends the connection.
            Code::ResourceExhausted if refusal.source().is_some() => {}
            Code::Unavailable | Code::ResourceExhausted => {
                let retry = refusal.get_details_retry_info().and_then(|info| info.retry_delay);
                ensure!(retry.is_some_and(|delay| !delay.is_zero()), "{name}: no RetryInfo: {refusal}");
            }
            _ => bail!("{name}: {:?} after {:.1?}: {refusal}", heard.ask, heard.took),
        }
    }
    let refused = refused.iter().filter(|(heard, _)| heard.code() != Code::DeadlineExceeded);
    if let Some(median) = median(refused.map(|(heard, _)| heard.took)) {
        ensure!(median <= outage.refuses_within, "{name}: refusals took {median:.1?}");
    }
    Ok(())
}

/// Nobody is called much more often than customers ask.
fn no_storm(outage: &Outage<'_>, heard: &[Heard], attempts: &BTreeMap<Service, f64>) -> Result<()> {
    for (callee, attempts) in attempts {
        let asked: u32 = heard.iter().map(|heard| heard.ask.takes_of(*callee)).sum();
        let most = 1.2 * f64::from(asked) + SPARE_ATTEMPTS;
        let (name, callee) = (outage.name, callee.name());
        ensure!(*attempts <= most, "{name}: {attempts} calls of {callee}, where customers asked for {asked}");
    }
    Ok(())
}

/// By callee; who was started anew counts from zero.
fn grown(
    before: &BTreeMap<(Service, Replica), f64>,
    after: &BTreeMap<(Service, Replica), f64>,
) -> BTreeMap<Service, f64> {
    let mut grown = BTreeMap::new();
    for (key, after) in after {
        let before = before.get(key).copied().filter(|before| before <= after).unwrap_or_default();
        *grown.entry(key.0).or_default() += after - before;
    }
    grown
}

fn median(times: impl Iterator<Item = Duration>) -> Option<Duration> {
    let mut times: Vec<Duration> = times.collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

/// How many answers of each kind there were, and what the slowest refusal took.
struct Tally {
    codes: BTreeMap<i32, usize>,
    slowest: Duration,
}

impl Tally {
    fn of(heard: &[Heard]) -> Self {
        let mut codes = BTreeMap::new();
        for heard in heard {
            *codes.entry(heard.code() as i32).or_default() += 1;
        }
        let refused = heard.iter().filter(|heard| heard.refusal.is_some());
        Self { codes, slowest: refused.map(|heard| heard.took).max().unwrap_or_default() }
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let calls: usize = self.codes.values().sum();
        write!(formatter, "{calls} calls")?;
        for (code, count) in &self.codes {
            write!(formatter, ", {count} {:?}", Code::from_i32(*code))?;
        }
        if !self.slowest.is_zero() {
            write!(formatter, ", refused after {:.1?} at most", self.slowest)?;
        }
        Ok(())
    }
}
