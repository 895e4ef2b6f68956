use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use async_nats::jetstream;
use localservers::{Nats, NatsOptions};
use tempfile::TempDir;
use tokio::task::spawn_blocking;

/// A NATS server with JetStream of the test's own. Stops when dropped.
#[derive(Clone, Debug)]
pub struct Broker {
    server: Arc<Mutex<Nats>>,
    url: String,
    folder: Arc<TempDir>,
}

/// What a broker had stored at a moment.
#[derive(Debug)]
pub struct Snapshot(TempDir);

/// A part of what a broker stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// What was published.
    Messages,
    /// How far each durable consumer has come.
    Consumers,
}

impl Half {
    /// As the server calls it, below the folder of a stream.
    const fn folder(self) -> &'static str {
        match self {
            Self::Messages => "msgs",
            Self::Consumers => "obs",
        }
    }
}

impl Broker {
    /// Starts a server with the stream of identity, which every service follows from its start on, and nothing else.
    pub async fn start() -> Result<Self> {
        let broker = Self::empty().await?;
        broker.make_identity_stream().await?;
        Ok(broker)
    }

    /// Makes the stream of identity as identity's relay would.
    pub async fn make_identity_stream(&self) -> Result<()> {
        let stream = jetstream::stream::Config {
            name: "IDENTITY".to_owned(),
            subjects: vec!["bookstore.identity.>".to_owned()],
            max_age: Duration::from_hours(7 * 24),
            duplicate_window: Duration::from_mins(2),
            ..Default::default()
        };
        self.jetstream().await?.get_or_create_stream(stream).await?;
        Ok(())
    }

    /// Starts a server with an empty store.
    pub async fn empty() -> Result<Self> {
        Self::configured(String::new()).await
    }

    /// As [`Broker::empty`], with more lines of the server's configuration.
    pub async fn configured(config: String) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("bookstore-nats-").tempdir()?;
        let options = NatsOptions { config, ..NatsOptions::new(folder.path()) };
        let server = blocking(move || Nats::start(options)).await?;
        Ok(Self { url: server.url(), server: Arc::new(Mutex::new(server)), folder: Arc::new(folder) })
    }

    /// Where the certificates of the services lie that use it.
    pub(crate) fn certificates(&self) -> PathBuf {
        self.folder.path().join("certificates")
    }

    /// `nats://127.0.0.1:…`, the same after every start.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The server's process, for those who measure.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.server.lock().unwrap_or_else(PoisonError::into_inner).pid()
    }

    /// A connection to it.
    pub async fn client(&self) -> Result<async_nats::Client> {
        let options = async_nats::ConnectOptions::new().connection_timeout(Duration::from_secs(5));
        Ok(options.connect(&self.url).await?)
    }

    /// Its streams.
    pub async fn jetstream(&self) -> Result<jetstream::Context> {
        Ok(jetstream::new(self.client().await?))
    }

    /// Stops the server and lets it write what it holds.
    pub async fn stop(&self) -> Result<()> {
        self.with_server(Nats::stop).await
    }

    /// Ends the server without a warning.
    pub async fn kill(&self) -> Result<()> {
        self.with_server(Nats::kill).await
    }

    /// Starts it again on the same port, with what is in its store.
    pub async fn start_again(&self) -> Result<()> {
        self.with_server(Nats::start_again).await
    }

    /// Lets the server hang: its connections stay, nothing is answered.
    pub async fn pause(&self) -> Result<()> {
        self.with_server(|server| server.pause()).await
    }

    /// Ends [`Broker::pause`].
    pub async fn resume(&self) -> Result<()> {
        self.with_server(|server| server.resume()).await
    }

    /// Empties the store of a stopped server.
    pub async fn wipe(&self) -> Result<()> {
        let folder = self.folder.clone();
        self.with_stopped(move || remove_all(&folder.path().join(STREAMS))).await
    }

    /// Copies the store of a stopped server.
    pub async fn snapshot(&self) -> Result<Snapshot> {
        let folder = self.folder.clone();
        self.with_stopped(move || {
            let copy = tempfile::Builder::new().prefix("bookstore-nats-copy-").tempdir()?;
            copy_all(&folder.path().join(STREAMS), &copy.path().join(STREAMS))?;
            Ok(Snapshot(copy))
        })
        .await
    }

    /// Puts a stopped server's store back to what it was: all that came after is lost.
    pub async fn restore(&self, snapshot: &Snapshot) -> Result<()> {
        let (folder, copy) = (self.folder.clone(), snapshot.0.path().join(STREAMS));
        self.with_stopped(move || {
            let store = folder.path().join(STREAMS);
            remove_all(&store)?;
            copy_all(&copy, &store)
        })
        .await
    }

    /// Puts back one half of a stopped server's store: its streams' messages, or what it knows of their consumers. The
    /// other half stays as it is.
    pub async fn restore_half(&self, snapshot: &Snapshot, half: Half) -> Result<()> {
        let (folder, copy) = (self.folder.clone(), snapshot.0.path().join(STREAMS));
        self.with_stopped(move || {
            let mut streams = Vec::new();
            for account in fs::read_dir(&copy)? {
                for stream in fs::read_dir(account?.path().join("streams"))? {
                    streams.push(stream?.path());
                }
            }
            for stream in streams {
                let kept = folder.path().join(STREAMS).join(stream.strip_prefix(&copy)?);
                remove_all(&kept.join(half.folder()))?;
                copy_all(&stream.join(half.folder()), &kept.join(half.folder()))?;
            }
            Ok(())
        })
        .await
    }

    async fn with_server<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Nats) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let server = self.server.clone();
        blocking(move || act(&mut server.lock().unwrap_or_else(PoisonError::into_inner))).await
    }

    async fn with_stopped<T: Send + 'static>(
        &self,
        act: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.with_server(|server| {
            if server.is_running() {
                bail!("the broker runs: stop or kill it before its store is touched");
            }
            act()
        })
        .await
    }
}

/// Where the server keeps its streams, below its own folder.
const STREAMS: &str = "jetstream";

async fn blocking<T: Send + 'static>(act: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    spawn_blocking(act).await.context("the broker's own work panicked")?
}

fn remove_all(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

fn copy_all(from: &Path, to: &Path) -> Result<()> {
    if !from.exists() {
        return Ok(());
    }
    let status = Command::new("cp").arg("-a").args([from, to]).status()?;
    if !status.success() {
        bail!("cannot copy {} to {}", from.display(), to.display());
    }
    Ok(())
}
