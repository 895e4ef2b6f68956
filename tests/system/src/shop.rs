mod ways;

use std::{
    collections::HashMap,
    net::SocketAddr,
    num::NonZero,
    path::Path,
    sync::{Arc, LazyLock, Weak},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use auth::SigningKey;
use tempfile::TempDir;
use testkit::{Broker, Certificates, Collector, Database, Gate, Mailbox, empty_database, eventually};
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};

use crate::{
    Answers, Clients, Detour, Options, Replica, Service, directory::Directory, links::Links, papers::Papers,
    process::Process, variables,
};

/// Migrations and a busy machine included.
const READY: Duration = Duration::from_mins(1);
/// What services may take to stop.
const STOP: Duration = Duration::from_secs(30);
/// Until everything that happened has had its effects everywhere: the broker gives what a killed consumer held to
/// another one after 30 s.
const QUIET: Duration = Duration::from_secs(45);

/// As many shops of one process may be open as there are processors, and two where there is one: among more of them each
/// waits longer than it would have for its turn.
static ROOM: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(thread::available_parallelism().map_or(2, NonZero::get).max(2)));

/// The services' processes, their databases and their broker. All ends when it is dropped.
#[derive(Debug)]
pub struct Shop {
    processes: Mutex<HashMap<Replica, Process>>,
    databases: HashMap<Service, Database>,
    gates: HashMap<Service, Gate>,
    links: Option<Links>,
    collector: Option<Collector>,
    /// The broker that the services share.
    pub broker: Broker,
    /// What the shop writes to its customers.
    pub mailbox: Mailbox,
    directory: Directory,
    papers: Papers,
    answers: Answers,
    logs: TempDir,
    _room: SemaphorePermit<'static>,
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

    /// Opens a shop of the test's own, otherwise than usual, when there is room for it.
    pub async fn start_with(options: Options) -> Result<Self> {
        let room = ROOM.acquire().await?;
        let logs = tempfile::Builder::new().prefix("bookstore-system-test-").tempdir()?;
        let (broker, mailbox) = (Broker::start().await?, Mailbox::open()?);
        let collector = if options.collector { Some(Collector::start().await?) } else { None };
        let directory = Directory::of(options.replicas).await?;
        let links = if options.links { Some(Links::of(&directory, &broker).await?) } else { None };
        let broker_url = links.as_ref().map_or(broker.url(), Links::broker_url);
        let papers = Papers::write(&logs.path().join("certificates"), testkit::certificates()?)?;
        let (_, signing_key) = SigningKey::generate();
        let (mut processes, mut databases, mut gates) = (HashMap::new(), HashMap::new(), HashMap::new());
        let mut urls = HashMap::new();
        for service in Service::WITH_DATABASE {
            let given = options.databases.iter().find(|(of, _)| *of == service);
            let database = match given {
                Some((_, database)) => database.clone(),
                None => empty_database().await?,
            };
            let mut url = database.url().to_owned();
            if options.gates {
                let (gate, through) = Gate::before(&url).await?;
                gates.insert(service, gate);
                url = through;
            }
            databases.insert(service, database);
            urls.insert(service, url);
        }
        for (replica, address) in directory.replicas() {
            let service = replica.service;
            let mut process = Process::new(replica, address, logs.path())?;
            process.programs.clone_from(&options.programs);
            for (variable, path) in papers.paths(service) {
                process.set(variable, path.display().to_string());
            }
            for callee in Service::WITH_DATABASE {
                let variable = format!("BOOKSTORE_{}_TARGET", callee.name().to_uppercase());
                let target = links.as_ref().map(|links| links.target(callee));
                process.set(&variable, target.unwrap_or_else(|| directory.target(callee))?);
            }
            if let Some(url) = urls.get(&service) {
                process.set("BOOKSTORE_DATABASE_URL", url.clone());
                process.set("BOOKSTORE_NATS_URL", broker_url);
            }
            for (variable, value) in variables::of(service, &signing_key, &mailbox) {
                process.set(variable, value);
            }
            process.set("BOOKSTORE_RESERVATION_TTL", written(options.reservation_ttl));
            process.set("BOOKSTORE_PAYMENT_DEADLINE", written(options.payment_deadline));
            process.set("BOOKSTORE_SWEEP_INTERVAL", "200ms");
            if let Some(collector) = &collector {
                process.set("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint());
                process.set("OTEL_BSP_SCHEDULE_DELAY", "200");
            }
            for (variable, value) in &options.variables {
                process.set(variable, value.clone());
            }
            let armed: Vec<&str> = options.armed(service).collect();
            process.start_armed(&armed)?;
            processes.insert(replica, process);
        }
        let processes = Mutex::new(processes);
        let answers = Answers::default();
        let shop = Self {
            processes,
            databases,
            gates,
            links,
            collector,
            broker,
            mailbox,
            directory,
            papers,
            answers,
            logs,
            _room: room,
        };
        if options.armed.is_empty() {
            shop.all_ready().await?;
        }
        Ok(shop)
    }

    /// Waits until every service says that it is ready.
    pub async fn all_ready(&self) -> Result<()> {
        for replica in self.replicas().await {
            self.ready(replica).await?;
        }
        Ok(())
    }

    /// Every process of the shop, the services one after the other.
    pub async fn replicas(&self) -> Vec<Replica> {
        let mut replicas: Vec<Replica> = self.processes.lock().await.keys().copied().collect();
        replicas.sort();
        replicas
    }

    /// Waits until a replica says that it is ready.
    pub async fn ready(&self, replica: impl Into<Replica>) -> Result<()> {
        let replica = replica.into();
        let what = format!("{replica} is ready");
        let ready = eventually(&what, READY, async || {
            let mut processes = self.processes.lock().await;
            let process = processes.get_mut(&replica)?;
            process.is_ready().await.map(|is_ready| is_ready.then_some(())).transpose()
        });
        match ready.await {
            Ok(outcome) => outcome,
            Err(timeout) => {
                let log = self.process(replica, |process| Ok(process.tail())).await?;
                bail!("{timeout}; its log ends:\n{log}")
            }
        }
    }

    /// Ends a service without a warning.
    pub async fn kill(&self, replica: impl Into<Replica>) -> Result<()> {
        self.process(replica.into(), Process::kill).await
    }

    /// Starts a killed service again and waits until it is ready.
    pub async fn start_again(&self, replica: impl Into<Replica>) -> Result<()> {
        let replica = replica.into();
        self.process(replica, Process::start).await?;
        self.ready(replica).await
    }

    /// Stops every service in good order; what they had still to tell is told.
    pub async fn stop(&self) -> Result<()> {
        // The door first: who comes in still finds all there.
        for replica in self.replicas().await.into_iter().rev() {
            self.stop_one(replica).await?;
        }
        Ok(())
    }

    /// Stops a replica in good order.
    pub async fn stop_one(&self, replica: impl Into<Replica>) -> Result<()> {
        let replica = replica.into();
        self.process(replica, |process| process.signal("TERM")).await?;
        let ended = async || self.process(replica, Process::ended).await.transpose();
        let status = eventually(&format!("{replica} stops"), STOP, ended).await??;
        if !status.success() {
            bail!("{replica} ended with {status}");
        }
        Ok(())
    }

    /// Lets a service hang: its connections stay, nothing is answered.
    pub async fn pause(&self, replica: impl Into<Replica>) -> Result<()> {
        self.process(replica.into(), |process| process.signal("STOP")).await
    }

    /// Ends [`Shop::pause`].
    pub async fn resume(&self, replica: impl Into<Replica>) -> Result<()> {
        self.process(replica.into(), |process| process.signal("CONT")).await
    }

    /// Who collects the traces.
    pub fn collector(&self) -> Result<&Collector> {
        self.collector.as_ref().context("the shop was opened without a collector")
    }

    /// A service's database, past its gate.
    pub fn database(&self, service: Service) -> Result<&Database> {
        self.databases.get(&service).with_context(|| format!("no {}", service.name()))
    }

    /// Calls through the gateway, over a connection of the caller's own.
    pub fn clients(&self) -> Result<Clients> {
        Clients::to(&self.directory.all(Service::Gateway), self.answers.clone())
    }

    /// What all who ask until they are answered were told.
    #[must_use]
    pub fn answers(&self) -> &Answers {
        &self.answers
    }

    /// Where a replica answers calls.
    pub fn address(&self, replica: impl Into<Replica>) -> Result<SocketAddr> {
        self.directory.address(replica.into())
    }

    /// Calls to one replica past the gateway, as another service makes them.
    pub fn clients_as(&self, from: &str, callee: impl Into<Replica>) -> Result<Clients> {
        self.clients_with(testkit::certificates()?, from, callee)
    }

    /// As [`Shop::clients_as`], with a certificate of this authority.
    pub fn clients_with(
        &self,
        authority: &Certificates,
        from: &str,
        callee: impl Into<Replica>,
    ) -> Result<Clients> {
        let callee = callee.into();
        let (name, address) = (callee.service.name(), self.directory.address(callee)?);
        Ok(Clients::through(testkit::channel_as(&authority.identity(from)?, name, address)?))
    }

    /// New certificates for every service, from one authority; those of all that are `trusted` are accepted. Services
    /// look at theirs every few seconds.
    pub fn renew_certificates(&self, authority: &Certificates, trusted: &[&Certificates]) -> Result<()> {
        self.papers.renew(authority, trusted)
    }

    /// From now on a service's name leads to these of its replicas only.
    pub fn list(&self, service: Service, replicas: &[usize]) -> Result<()> {
        let addresses = replicas.iter().map(|number| self.directory.address(service.replica(*number)));
        let addresses = addresses.collect::<Result<Vec<_>>>()?;
        self.directory.list(service, addresses.iter().map(SocketAddr::ip))
    }

    /// From now on a service's name leads to its first replica, and to its second by a way that is `delay` longer.
    pub async fn delay_second(&self, service: Service, delay: Duration) -> Result<Detour> {
        let [first, second] = [0, 1].map(|number| self.directory.address(service.replica(number)));
        let (first, second) = (first?, second?);
        let detour = SocketAddr::from(([127, 0, 0, 250], second.port()));
        let open = Detour::open(detour, second, delay).await?;
        self.directory.list(service, [first.ip(), detour.ip()])?;
        Ok(open)
    }

    /// Waits until all is quiet and as it must be: every order answered with OK (`placed`) is there, each has ended, and
    /// databases and streams agree. For shops of the test's own.
    pub async fn check(&self, placed: &[String]) -> Result<()> {
        self.check_scope(&verify::Scope::quiet(placed)?, &[]).await
    }

    /// As [`Shop::check`], for what a test has done on purpose: what these find is no failure.
    pub async fn check_but(&self, placed: &[String], excepted: &[verify::Check]) -> Result<()> {
        self.check_scope(&verify::Scope::quiet(placed)?, excepted).await
    }

    /// As [`Shop::check`], for these orders only: other tests' may be under way.
    pub async fn check_orders(&self, placed: &[String]) -> Result<()> {
        self.check_scope(&verify::Scope::only(placed)?, &[]).await
    }

    /// What is not as it must be at this moment, quiet or not.
    pub async fn violations(&self, placed: &[String]) -> Result<Vec<String>> {
        let report = self.look(&verify::Scope::quiet(placed)?).await?;
        Ok(report.violations().iter().map(ToString::to_string).collect())
    }

    /// What there is to be found now.
    pub async fn look(&self, scope: &verify::Scope) -> Result<verify::Report> {
        verify::look(&self.access(), scope, &|_| ()).await
    }

    /// Where all is that is looked at, past every gate.
    #[must_use]
    pub fn access(&self) -> verify::Access {
        let databases = self.databases.iter().filter_map(|(service, database)| {
            Some((verify::Service::named(service.name())?, database.url().to_owned()))
        });
        verify::Access {
            databases: databases.collect(),
            nats_url: Some(self.broker.url().to_owned()),
            nats_roots: None,
            statement_timeout: QUIET,
        }
    }

    async fn check_scope(&self, scope: &verify::Scope, excepted: &[verify::Check]) -> Result<()> {
        let (mut violations, mut unanswered) = (Vec::new(), None);
        let quiet = eventually("all is as it must be", QUIET, async || {
            let report = self.look(scope).await.map_err(|error| unanswered = Some(error)).ok()?;
            violations = report
                .violations()
                .iter()
                .filter(|found| !excepted.contains(&found.check))
                .map(ToString::to_string)
                .collect();
            violations.is_empty().then_some(())
        })
        .await;
        let Err(waited) = quiet else { return Ok(()) };
        let logs = self.keep_logs();
        let count = violations.len();
        if count == 0 {
            // Nobody could look.
            return Err(unanswered.unwrap_or(waited).context(logs.display().to_string()));
        }
        violations.truncate(30);
        bail!("after {QUIET:?} there are {count} violations:\n{}\n{}", violations.join("\n"), logs.display())
    }

    /// Where the services write what they have to say.
    pub(crate) fn logs(&self) -> &Path {
        self.logs.path()
    }

    pub(crate) async fn process<T>(
        &self,
        replica: Replica,
        act: impl FnOnce(&mut Process) -> Result<T>,
    ) -> Result<T> {
        let mut processes = self.processes.lock().await;
        act(processes.get_mut(&replica).with_context(|| format!("no {replica}"))?)
    }
}

fn written(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}
