use std::{
    collections::HashMap,
    fs,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Weak},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use auth::SigningKey;
use futures::{StreamExt, TryStreamExt, stream};
use tempfile::TempDir;
use testkit::{Broker, Collector, Database, Gate, PEER_SECRET, empty_database, eventually};
use tokio::sync::Mutex;

use crate::{Clients, Customer, Seller, Service, invariants, process::Process};

/// Migrations and a busy machine included.
const READY: Duration = Duration::from_mins(1);
/// What services may take to stop.
const STOP: Duration = Duration::from_secs(30);
/// Until everything that happened has had its effects everywhere: the broker gives what a killed consumer held to
/// another one after 30 s.
const QUIET: Duration = Duration::from_secs(45);

/// How a shop is to be.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long stock is held for an unpaid order.
    pub reservation_ttl: Duration,
    /// How long a payment may take.
    pub payment_deadline: Duration,
    /// Whether the databases are behind gates that a test can close.
    pub gates: bool,
    /// Whether there is somebody who collects traces.
    pub collector: bool,
}

/// Four service processes, their databases and their broker. All ends when it is dropped.
#[derive(Debug)]
pub struct Shop {
    processes: Mutex<HashMap<Service, Process>>,
    databases: HashMap<Service, Database>,
    gates: HashMap<Service, Gate>,
    collector: Option<Collector>,
    /// The broker that the services share.
    pub broker: Broker,
    addresses: HashMap<Service, SocketAddr>,
    logs: TempDir,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            reservation_ttl: Duration::from_mins(15),
            payment_deadline: Duration::from_mins(2),
            gates: false,
            collector: false,
        }
    }
}

impl Shop {
    /// Opens a shop for a test that breaks nothing, shared with other such tests that run at the same time.
    pub async fn shared() -> Result<Arc<Self>> {
        // Not kept for ever: what is never dropped leaves its temporary folders behind.
        static SHOP: Mutex<Weak<Shop>> = Mutex::const_new(Weak::new());
        let mut shop = SHOP.lock().await;
        if let Some(open) = shop.upgrade() {
            return Ok(open);
        }
        let opened = Arc::new(Self::start().await?);
        *shop = Arc::downgrade(&opened);
        Ok(opened)
    }

    /// Opens a shop of the test's own.
    pub async fn start() -> Result<Self> {
        Self::start_with(Options::default()).await
    }

    /// Opens a shop of the test's own, otherwise than usual.
    pub async fn start_with(options: Options) -> Result<Self> {
        let logs = tempfile::Builder::new().prefix("bookstore-system-test-").tempdir()?;
        let broker = Broker::start().await?;
        let collector = if options.collector { Some(Collector::start().await?) } else { None };
        let mut processes = HashMap::new();
        for service in Service::ALL {
            processes.insert(service, Process::new(service, logs.path())?);
        }
        let (_, signing_key) = SigningKey::generate();
        let (mut databases, mut gates) = (HashMap::new(), HashMap::new());
        let addresses: HashMap<Service, SocketAddr> =
            processes.iter().map(|(service, process)| (*service, process.grpc)).collect();
        for (service, process) in &mut processes {
            let database = empty_database().await?;
            let mut url = database.url().to_owned();
            if options.gates {
                let (gate, through) = Gate::before(&url).await?;
                gates.insert(*service, gate);
                url = through;
            }
            databases.insert(*service, database);
            process.set("BOOKSTORE_DATABASE_URL", url);
            process.set("BOOKSTORE_NATS_URL", broker.url());
            process.set("BOOKSTORE_PEER_SECRET", PEER_SECRET);
            if *service == Service::Identity {
                process.set("BOOKSTORE_SIGNING_KEY", signing_key.clone());
            }
            for callee in [Service::Identity, Service::Inventory] {
                let variable = format!("BOOKSTORE_{}_TARGET", callee.name().to_uppercase());
                process.set(&variable, format!("ipv4:{}", addresses[&callee]));
            }
            process.set("BOOKSTORE_RESERVATION_TTL", written(options.reservation_ttl));
            process.set("BOOKSTORE_PAYMENT_DEADLINE", written(options.payment_deadline));
            process.set("BOOKSTORE_SWEEP_INTERVAL", "200ms");
            if let Some(collector) = &collector {
                process.set("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint());
                process.set("OTEL_BSP_SCHEDULE_DELAY", "200");
            }
            process.start()?;
        }
        let processes = Mutex::new(processes);
        let shop = Self { processes, databases, gates, collector, broker, addresses, logs };
        shop.all_ready().await?;
        Ok(shop)
    }

    /// Waits until every service says that it is ready.
    pub async fn all_ready(&self) -> Result<()> {
        for service in Service::ALL {
            self.ready(service).await?;
        }
        Ok(())
    }

    /// Waits until a service says that it is ready.
    pub async fn ready(&self, service: Service) -> Result<()> {
        let what = format!("{} is ready", service.name());
        let ready = eventually(&what, READY, async || {
            let mut processes = self.processes.lock().await;
            let process = processes.get_mut(&service)?;
            process.is_ready().await.map(|is_ready| is_ready.then_some(())).transpose()
        });
        match ready.await {
            Ok(outcome) => outcome,
            Err(timeout) => {
                let log = self.process(service, |process| Ok(process.tail())).await?;
                bail!("{timeout}; its log ends:\n{log}")
            }
        }
    }

    /// Ends a service without a warning.
    pub async fn kill(&self, service: Service) -> Result<()> {
        self.process(service, Process::kill).await
    }

    /// Starts a killed service again and waits until it is ready.
    pub async fn start_again(&self, service: Service) -> Result<()> {
        self.process(service, Process::start).await?;
        self.ready(service).await
    }

    /// Starts a service anew so that it ends, at once, at a point of its own code: `events.published:3` for the third
    /// time it comes there.
    pub async fn arm(&self, service: Service, fault: &str) -> Result<()> {
        self.kill(service).await?;
        self.process(service, |process| {
            process.arm(fault);
            process.start()
        })
        .await?;
        self.ready(service).await
    }

    /// Waits until an armed service has met its end.
    pub async fn falls(&self, service: Service) -> Result<()> {
        let what = format!("{} comes to the point where it is to end", service.name());
        eventually(&what, READY, async || self.process(service, Process::ended).await.transpose()).await??;
        Ok(())
    }

    /// Stops every service in good order; what they had still to tell is told.
    pub async fn stop(&self) -> Result<()> {
        for service in Service::ALL {
            self.process(service, |process| process.signal("TERM")).await?;
        }
        for service in Service::ALL {
            let what = format!("{} stops", service.name());
            let ended = async || self.process(service, Process::ended).await.transpose();
            let status = eventually(&what, STOP, ended).await??;
            if !status.success() {
                bail!("{} ended with {status}", service.name());
            }
        }
        Ok(())
    }

    /// Lets a service hang: its connections stay, nothing is answered.
    pub async fn pause(&self, service: Service) -> Result<()> {
        self.process(service, |process| process.signal("STOP")).await
    }

    /// Ends [`Shop::pause`].
    pub async fn resume(&self, service: Service) -> Result<()> {
        self.process(service, |process| process.signal("CONT")).await
    }

    /// The door in front of a service's database.
    pub fn gate(&self, service: Service) -> Result<&Gate> {
        self.gates.get(&service).context("the shop was opened without gates")
    }

    /// Who collects the traces.
    pub fn collector(&self) -> Result<&Collector> {
        self.collector.as_ref().context("the shop was opened without a collector")
    }

    /// A service's database, past its gate.
    pub fn database(&self, service: Service) -> Result<&Database> {
        self.databases.get(&service).with_context(|| format!("no {}", service.name()))
    }

    /// Connections to the services, of the caller's own.
    pub fn clients(&self) -> Result<Clients> {
        Clients::to(&self.addresses)
    }

    /// Somebody new with so much in the wallet.
    pub async fn customer(&self, minor_units: i64) -> Result<Customer> {
        Customer::register(self.clients()?, minor_units).await
    }

    /// As many new customers, each with so much in the wallet.
    pub async fn customers(&self, count: usize, minor_units: i64) -> Result<Vec<Customer>> {
        // No more at once than identity hashes passwords.
        stream::iter(0..count).map(|_| self.customer(minor_units)).buffered(4).try_collect().await
    }

    /// Somebody new with a shop.
    pub async fn seller(&self) -> Result<Seller> {
        Seller::register(self.clients()?).await
    }

    /// Waits until all is quiet and as it must be: every order answered with OK (`placed`) is there, each has ended, and
    /// the four databases agree. For shops of the test's own.
    pub async fn check(&self, placed: &[String]) -> Result<()> {
        self.check_scope(&invariants::Scope::everything(placed)?).await
    }

    /// As [`Shop::check`], for these orders only: other tests' may be under way.
    pub async fn check_orders(&self, placed: &[String]) -> Result<()> {
        self.check_scope(&invariants::Scope::only(placed)?).await
    }

    async fn check_scope(&self, scope: &invariants::Scope) -> Result<()> {
        let mut last = Vec::new();
        let quiet = eventually("no violation", QUIET, async || {
            match invariants::violations(&self.databases, scope).await {
                Ok(found) if found.is_empty() => Some(()),
                Ok(found) => {
                    last = found;
                    None
                }
                Err(error) => {
                    last = vec![format!("{error:#}")];
                    None
                }
            }
        });
        if quiet.await.is_err() {
            let count = last.len();
            last.truncate(30);
            bail!(
                "after {QUIET:?} there are {count} violations:\n{}\n{}",
                last.join("\n"),
                self.keep_logs().display()
            );
        }
        Ok(())
    }

    /// A failed test's logs are worth more than the space they take.
    fn keep_logs(&self) -> PathBuf {
        let kept = self.logs.path().with_extension("kept");
        // Without the logs the violations are still told.
        let _ = fs::create_dir_all(&kept);
        for log in fs::read_dir(self.logs.path()).into_iter().flatten().flatten() {
            let _ = fs::copy(log.path(), kept.join(log.file_name()));
        }
        kept
    }

    async fn process<T>(&self, service: Service, act: impl FnOnce(&mut Process) -> Result<T>) -> Result<T> {
        let mut processes = self.processes.lock().await;
        act(processes.get_mut(&service).with_context(|| format!("no {}", service.name()))?)
    }
}

fn written(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}
