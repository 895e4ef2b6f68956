use std::{
    collections::HashSet,
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Result, ensure};
use async_nats::HeaderMap;
use bytes::Bytes;
use events::{EventId, Relay, RelayConfig};
use futures::{StreamExt, TryStreamExt, stream};
use proto::{
    events::v1::{DeadLetter, DiscardRequest, GetRequest, ListRequest},
    order::v1::OrderState,
};
use rand::{SeedableRng, rngs::StdRng, seq::IndexedRandom};
use sqlx::{Connection, PgConnection};
use system_tests::{Customer, Service, Shop};
use testkit::{Stored, eventually};
use tokio::{
    sync::Mutex,
    task::JoinHandle,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;
use tonic::Request;
use uuid::Uuid;

use super::{history::History, quiet::STREAMS};

/// No message of ours.
const GARBAGE: &[u8] = b"\xff\xff\xffnothing of ours";
/// How many orders are placed while everybody publishes.
const ORDERS: usize = 60;
/// Orders under way at once.
const AT_ONCE: usize = 12;
/// How often a stranger interferes. Each time costs the relays a comparison: one who comes more often than they can
/// compare keeps them from publishing, which only the broker's permissions prevent.
const PACE: Duration = Duration::from_millis(500);
/// Until something that others do has been done, on a busy machine.
const SOON: Duration = Duration::from_mins(4);

/// Something that goes on until it is told to end.
struct Task {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Task {
    fn start<F>(act: impl FnOnce(CancellationToken) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let stop = CancellationToken::new();
        Self { task: tokio::spawn(act(stop.clone())), stop }
    }

    async fn end(self) -> Result<()> {
        self.stop.cancel();
        Ok(self.task.await?)
    }
}

/// Another replica's relay of a service.
async fn relay(shop: &Shop, service: Service, stream: &'static str) -> Result<Relay> {
    let url = shop.database(service)?.url().to_owned();
    let db = sea_orm::Database::connect(&url).await?;
    let (nats, reconnects) = events::connect(shop.broker.url(), None, "another relay").await?;
    let config = RelayConfig { service: service.name(), stream, database_url: url.into(), replicas: 1 };
    Ok(Relay::new(config, db, nats, reconnects))
}

/// Somebody who may publish what they like: garbage under our subjects, with our headers and without; subjects that
/// nobody has heard of; and what was true once, told again under another id. Those ids are noted.
async fn disturb(shop: &Shop, ids: Arc<Mutex<Vec<Uuid>>>) -> Result<Task> {
    let mut truths = Vec::new();
    for (_, stream) in STREAMS {
        truths.extend(shop.broker.stored(stream).await?);
    }
    let broker = shop.broker.clone();
    Ok(Task::start(|stop| async move {
        let mut dice = StdRng::seed_from_u64(6);
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !stop.is_cancelled() {
            pace.tick().await;
            let lies = truths.choose_multiple(&mut dice, 6).map(|truth| (EventId::new(), truth));
            let (new, messages): (Vec<Uuid>, Vec<[Stored; 4]>) =
                lies.map(|(id, truth)| (id.uuid(), foreign(id, truth))).unzip();
            ids.lock().await.extend(new);
            // Where the broker is away, nobody hears it.
            let _ = timeout(Duration::from_secs(1), broker.put(&messages.concat())).await;
        }
    }))
}

/// What a stranger makes of one of our messages.
fn foreign(id: EventId, truth: &Stored) -> [Stored; 4] {
    let mut told_again = truth.again();
    told_again.headers.insert("ce-id", id.to_string().as_str());
    let garbled = Stored { payload: Bytes::from_static(GARBAGE), ..told_again.clone() };
    let bare = Stored { headers: HeaderMap::new(), ..garbled.clone() };
    let unheard_of = Stored { subject: format!("{}.nobody_listens", truth.subject), ..told_again.clone() };
    [told_again, garbled, bare, unheard_of]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_strangers_nor_second_relays_nor_a_lost_tail_keep_an_order_from_its_end() -> Result<()> {
    let mut history = History::begin(Shop::start().await?).await?;
    history.trade(1).await?;
    history.listeners.quiet(&history.shop).await?;
    let broker = &history.shop.broker;
    broker.stop().await?;
    let snapshot = broker.snapshot().await?;
    broker.start_again().await?;

    let strange = Arc::new(Mutex::new(Vec::new()));
    let stranger = disturb(&history.shop, strange.clone()).await?;
    let mut rivals = Vec::new();
    for (service, stream) in STREAMS {
        let rival = relay(&history.shop, service, stream).await?;
        rivals.push(Task::start(|stop| rival.run_unlocked(stop)));
    }
    let heir = relay(&history.shop, Service::Order, "ORDER").await?;
    let heir = Task::start(|stop| heir.run(stop));

    let answered = AtomicUsize::new(0);
    let History { shop, customers, book, .. } = &history;
    let trading = stream::iter(0..ORDERS)
        .map(async |number| {
            let customer = &customers[number % customers.len()];
            let order_id = customer.place(book, 1).await?.order_id;
            answered.fetch_add(1, Ordering::Relaxed);
            let mut order = customer.ended(&order_id).await?;
            ensure!(order.state() == OrderState::Confirmed, "{order:?}");
            if number.is_multiple_of(3) {
                order = customer.cancel(&order_id).await?;
                ensure!(order.state() == OrderState::Cancelled, "{order:?}");
            }
            anyhow::Ok(order_id)
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<_>>();
    let breaking = async {
        orders(&answered, ORDERS / 3).await?;
        shop.broker.kill().await?;
        shop.broker.restore(&snapshot).await?;
        shop.broker.start_again().await?;
        orders(&answered, ORDERS * 2 / 3).await?;
        // A relay that hangs, loses its lock and wakes up beside the one that has it now.
        shop.pause(Service::Order).await?;
        let lost = lose_lock(shop, Service::Order).await?;
        shop.resume(Service::Order).await?;
        anyhow::Ok(lost)
    };
    let (placed, lost) = futures::try_join!(trading, breaking)?;
    history.placed.extend(placed);

    stranger.end().await?;
    for rival in rivals {
        rival.end().await?;
    }
    heir.end().await?;
    let History { shop, listeners, admin, placed, .. } = &history;
    listeners.quiet(shop).await?;
    let mut buried = 0;
    for service in Service::WITH_DATABASE {
        buried += discard_garbage(shop, admin, service).await?;
    }
    let strange = strange.lock().await;
    let believed = forget(shop, &strange).await?;
    ensure!(believed > 0, "nobody listened to the stranger");
    writeln!(
        io::stderr(),
        "{ORDERS} orders beside {} foreign messages, {} relays too many and {lost} lost locks: {believed} times a repeat \
         was handled that changed nothing, {buried} dead letters, all of them garbage",
        strange.len() * 4,
        STREAMS.len(),
    )?;
    shop.check(placed).await
}

/// Takes away what a stranger has left: the messages in the streams, the marks that they were handled, and who is told
/// of them. How often one was handled.
async fn forget(shop: &Shop, strange: &[Uuid]) -> Result<u64> {
    let ids: HashSet<String> = strange.iter().map(|id| EventId::from_uuid(*id).to_string()).collect();
    for (_, stream) in STREAMS {
        let messages = shop.broker.stored(stream).await?;
        let theirs =
            messages.iter().filter(|message| message.header("ce-id").is_none_or(|id| ids.contains(id)));
        let places: Vec<u64> = theirs.map(|message| message.sequence).collect();
        shop.broker.delete(stream, &places).await?;
    }
    let mut handled = 0;
    for service in Service::WITH_DATABASE {
        let mut connection = PgConnection::connect(shop.database(service)?.url()).await?;
        let marks = sqlx::query("DELETE FROM inbox WHERE event_id = ANY($1)").bind(strange);
        handled += marks.execute(&mut connection).await?.rows_affected();
        if service == Service::Notification {
            let mails = sqlx::query("DELETE FROM deliveries WHERE event_id = ANY($1)").bind(strange);
            mails.execute(&mut connection).await?;
        }
        connection.close().await?;
    }
    Ok(handled)
}

/// Waits until so many orders were answered.
async fn orders(answered: &AtomicUsize, count: usize) -> Result<()> {
    let enough = async || (answered.load(Ordering::Relaxed) >= count).then_some(());
    eventually(&format!("{count} orders"), SOON, enough).await
}

/// Ends the session that holds the relay's lock, and waits until another one holds it. How often that was done.
async fn lose_lock(shop: &Shop, service: Service) -> Result<usize> {
    let url = shop.database(service)?.url();
    let mut connection = PgConnection::connect(url).await?;
    let holder = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = (
            SELECT oid FROM pg_database WHERE datname = current_database())";
    let held: Vec<i32> = sqlx::query_scalar(holder).fetch_all(&mut connection).await?;
    ensure!(held.len() == 1, "{held:?} hold locks");
    sqlx::query("SELECT pg_terminate_backend($1)").bind(held[0]).execute(&mut connection).await?;
    eventually("another relay has the lock", SOON, async || {
        let mut looker = PgConnection::connect(url).await.ok()?;
        let now: Vec<i32> = sqlx::query_scalar(holder).fetch_all(&mut looker).await.ok()?;
        (!now.is_empty() && now != held).then_some(())
    })
    .await?;
    Ok(held.len())
}

/// Discards a service's dead letters, all of which have to be garbage; says how many there were.
async fn discard_garbage(shop: &Shop, admin: &Customer, service: Service) -> Result<usize> {
    let client = shop.clients()?.dead_letters();
    let mut discarded = 0;
    loop {
        let request = to(admin, service, ListRequest { page_size: 100, ..Default::default() })?;
        let letters = client.clone().list(request).await?.into_inner().dead_letters;
        if letters.is_empty() {
            return Ok(discarded);
        }
        for DeadLetter { dead_letter_id, .. } in letters {
            let get = GetRequest { dead_letter_id: dead_letter_id.clone() };
            let letter = client.clone().get(to(admin, service, get)?).await?.into_inner();
            ensure!(letter.payload == GARBAGE, "{letter:?}");
            client.clone().discard(to(admin, service, DiscardRequest { dead_letter_id })?).await?;
            discarded += 1;
        }
    }
}

/// A request for what every service serves, to this one.
fn to<T>(admin: &Customer, service: Service, message: T) -> Result<Request<T>> {
    let mut request = admin.request(message)?;
    request.metadata_mut().insert("bookstore-service", service.name().parse()?);
    Ok(request)
}
