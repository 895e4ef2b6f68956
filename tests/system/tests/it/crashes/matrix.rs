use std::{
    collections::BTreeMap,
    env,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use futures::{
    FutureExt as _, StreamExt as _, TryStreamExt as _,
    future::{LocalBoxFuture, try_join, try_join_all},
    stream,
};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};
use system_tests::{End, Options, Service, Shop, crash_points};
use tokio::time::{Instant, sleep};

use super::{machinery, money, orders, people, scene::Scene, selling};

/// Shops that share the points.
const SHOPS: usize = 3;
/// Things that happen in a shop at once.
const AT_ONCE: usize = 8;
/// How often services may find at a start that the machine has too much to do.
const GIVING_UP: usize = 10;
/// How soon a death is noticed.
const LOOK: Duration = Duration::from_millis(20);
/// How long a payment may take.
const DEADLINE: &str = "BOOKSTORE_PAYMENT_DEADLINE";
/// The last pass at which a process may die, where passes are random.
const PASSES: u32 = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_dies_wherever_what_was_answered_holds() -> Result<()> {
    let repeats = number("BOOKSTORE_CRASH_REPEATS")?.unwrap_or(1);
    let seed = number("BOOKSTORE_CRASH_SEED")?.unwrap_or(6);
    let mut dice = StdRng::seed_from_u64(seed);
    let mut shares = vec![Vec::new(); SHOPS];
    for service in Service::ALL {
        let mut points = crash_points::of(service);
        points.shuffle(&mut dice);
        for (number, point) in points.into_iter().enumerate() {
            // Those that need a shop of another kind for a while share one.
            let number = if crash_points::is_of_a_deadline(&point) { 0 } else { number % SHOPS };
            shares[number].push((service, point));
        }
    }
    let began = Instant::now();
    let all = shares
        .iter()
        .enumerate()
        .map(|(number, share)| dies(share, repeats, seed.wrapping_add(number as u64)).boxed_local());
    let deaths: usize = try_join_all(all).await?.into_iter().sum();
    let points: usize = shares.iter().map(Vec::len).sum();
    println!(
        "crash points: {points} points × {repeats} repeats = {deaths} deaths by SIGKILL in {SHOPS} shops, \
         {:.0} s, seed {seed}",
        began.elapsed().as_secs_f64()
    );
    assert_eq!(deaths as u64, points as u64 * repeats);
    Ok(())
}

fn number(variable: &str) -> Result<Option<u64>> {
    let text = env::var(variable).ok();
    text.map(|text| text.parse().with_context(|| format!("{variable} is no number"))).transpose()
}

/// A shop in which everybody dies at each of these points, so often. How often somebody died.
async fn dies(share: &[(Service, String)], repeats: u64, seed: u64) -> Result<usize> {
    let (first, later): (Vec<_>, Vec<_>) =
        share.iter().cloned().partition(|(_, point)| crash_points::is_of_a_first_start(point));
    let (last, later): (Vec<_>, Vec<_>) =
        later.into_iter().partition(|(_, point)| crash_points::is_of_a_deadline(point));
    let variables = vec![("BOOKSTORE_FAULT_ACK_WAIT", "2".to_owned())];
    let shop = Shop::start_with(Options { variables, armed: first.clone(), ..Default::default() }).await?;
    let reaper = Reaper::new(&shop, &first);
    while reaper.left() > 0 {
        for service in Service::ALL {
            reaper.look_at(service).await?;
        }
        sleep(LOOK).await;
    }
    shop.all_ready().await?;
    let (mut deaths, mut placed) = (reaper.deaths(), Vec::new());
    let mut dice = StdRng::seed_from_u64(seed);
    for repeat in 0..repeats {
        // Neither certificates nor anybody's sign-in last as long as many repeats.
        let authority = testkit::certificates()?;
        shop.renew_certificates(authority, &[authority])?;
        let scene = Scene::set(&shop).await?;
        // The first time as soon as somebody comes there, so that each is met for certain.
        let passes = if repeat == 0 { 1 } else { PASSES };
        let armed: Vec<_> = later
            .iter()
            .map(|(service, point)| (*service, format!("{point}:{}", dice.random_range(1..=passes))))
            .collect();
        let reaper = Reaper::new(&shop, &armed);
        let (met, ()) = try_join(reaper.reap(), trade(&scene, &reaper)).await?;
        deaths += met + runs_out_of_time(&scene, &last).await?;
        shop.all_ready().await?;
        placed.extend(scene.placed());
        shop.check(&placed).await.with_context(|| format!("repeat {repeat}, seed {seed}"))?;
    }
    crash_points::are_all_known(&shop).await?;
    // Those of a first start have one each.
    deaths += first.len() * usize::try_from(repeats - 1)?;
    Ok(deaths)
}

/// Dies where payments run out of time. How often somebody died.
async fn runs_out_of_time(scene: &Scene<'_>, points: &[(Service, String)]) -> Result<usize> {
    if points.is_empty() {
        return Ok(0);
    }
    let shop = scene.shop;
    shop.all_ready().await?;
    shop.set(Service::Order, DEADLINE, "2000ms").await?;
    let reaper = Reaper::new(shop, points);
    let late = async {
        while reaper.left() > 0 {
            orders::is_too_late(scene).await?;
        }
        reaper.is_over.store(true, Ordering::Relaxed);
        anyhow::Ok(())
    };
    let (met, ()) = try_join(reaper.reap(), late).await?;
    shop.kill(Service::Order).await?;
    shop.set(Service::Order, DEADLINE, "120000ms").await?;
    shop.start_again(Service::Order).await?;
    Ok(met)
}

/// Does everything that there is to do in a shop, until everybody has died everywhere.
async fn trade(scene: &Scene<'_>, reaper: &Reaper<'_>) -> Result<()> {
    let mut in_vain = 0;
    loop {
        let before = reaper.left();
        let happening: Vec<(&str, LocalBoxFuture<'_, Result<()>>)> = vec![
            ("is_to_be_done_at_a_start", machinery::is_to_be_done_at_a_start(scene).boxed_local()),
            ("is_given_up", machinery::is_given_up(scene).boxed_local()),
            ("is_refused", machinery::is_refused(scene).boxed_local()),
            ("fails_for_a_while", machinery::fails_for_a_while(scene).boxed_local()),
            ("is_unpaid", orders::is_unpaid(scene).boxed_local()),
            ("is_returned", orders::is_returned(scene).boxed_local()),
            ("is_cancelled", orders::is_cancelled(scene).boxed_local()),
            ("keeps_wallet", money::keeps_wallet(scene).boxed_local()),
            ("sessions", people::sessions(scene).boxed_local()),
            ("moves", people::moves(scene).boxed_local()),
            ("leaves", people::leaves(scene).boxed_local()),
            ("staff", people::staff(scene).boxed_local()),
            ("keeps_shop", selling::keeps_shop(scene).boxed_local()),
            ("imports", selling::imports(scene).boxed_local()),
            ("reserves", selling::reserves(scene).boxed_local()),
        ];
        stream::iter(happening)
            .map(async |(what, act)| act.await.context(what))
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await?;
        // By themselves: what they break for a moment, others would run into.
        orders::waits_for_stock(scene).await.context("waits_for_stock")?;
        machinery::cannot_be_read(scene).await.context("cannot_be_read")?;
        if reaper.left() == 0 {
            reaper.is_over.store(true, Ordering::Relaxed);
            return Ok(());
        }
        in_vain = if reaper.left() == before { in_vain + 1 } else { 0 };
        // A pass that is counted may need a round each.
        if in_vain == PASSES {
            bail!("nobody comes to {:?}", reaper.left);
        }
        reaper.hurry();
        // There may be points that only a start leads to, and nobody else left to cause one.
        machinery::is_certainly_to_be_done_at_a_start(scene).await?;
        for service in Service::ALL.into_iter().filter(|service| !reaper.left_to(*service).is_empty()) {
            reaper.begin_again(service).await?;
        }
    }
}

/// Has services die at all points that are left to them, one after the other.
struct Reaper<'a> {
    shop: &'a Shop,
    left: Mutex<BTreeMap<Service, Vec<String>>>,
    deaths: AtomicUsize,
    gave_up: AtomicUsize,
    is_over: AtomicBool,
    /// One at a time sees to the processes.
    turn: tokio::sync::Mutex<()>,
}

impl<'a> Reaper<'a> {
    fn new(shop: &'a Shop, points: &[(Service, String)]) -> Self {
        let mut left: BTreeMap<Service, Vec<String>> = BTreeMap::new();
        for (service, point) in points {
            left.entry(*service).or_default().push(point.clone());
        }
        Self {
            shop,
            left: Mutex::new(left),
            deaths: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
            gave_up: AtomicUsize::new(0),
            turn: tokio::sync::Mutex::default(),
        }
    }

    fn left(&self) -> usize {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).values().map(Vec::len).sum()
    }

    fn left_to(&self, service: Service) -> Vec<String> {
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        left.get(&service).cloned().unwrap_or_default()
    }

    /// Who lives too short for a later pass dies at the first, from the next life on.
    fn hurry(&self) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        for fault in left.values_mut().flatten() {
            fault.truncate(fault.find(':').unwrap_or(fault.len()));
        }
    }

    fn deaths(&self) -> usize {
        self.deaths.load(Ordering::Relaxed)
    }

    /// Arms all services and starts whoever has died, until all is over; how often somebody died.
    async fn reap(&self) -> Result<usize> {
        try_join_all(Service::ALL.map(async |service| {
            if !self.left_to(service).is_empty() {
                self.begin_again(service).await?;
            }
            while !self.is_over.load(Ordering::Relaxed) {
                self.look_at(service).await?;
                sleep(LOOK).await;
            }
            anyhow::Ok(())
        }))
        .await?;
        Ok(self.deaths())
    }

    async fn look_at(&self, service: Service) -> Result<()> {
        let _turn = self.turn.lock().await;
        let point = match self.shop.fallen(service).await? {
            Some(End::At(point)) => point,
            Some(End::GaveUp) => {
                let times = self.gave_up.fetch_add(1, Ordering::Relaxed);
                ensure!(times < GIVING_UP, "{} gives up again and again", service.name());
                return self.start(service).await;
            }
            None => return Ok(()),
        };
        {
            let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
            let left = left.get_mut(&service).context("nothing was armed")?;
            left.retain(|armed| armed.split(':').next() != Some(&point));
        }
        self.deaths.fetch_add(1, Ordering::Relaxed);
        self.start(service).await
    }

    async fn start(&self, service: Service) -> Result<()> {
        let left = self.left_to(service);
        let left: Vec<&str> = left.iter().map(String::as_str).collect();
        self.shop.start_armed(service, &left).await
    }

    async fn begin_again(&self, service: Service) -> Result<()> {
        let _turn = self.turn.lock().await;
        let left = self.left_to(service);
        let left: Vec<&str> = left.iter().map(String::as_str).collect();
        self.shop.begin_again(service, &left).await
    }
}
