//! The small service, running.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, OnceLock},
    time::Duration,
};

use anyhow::{Context as _, Result};
use auth::Verifier;
use proto::{
    inventory::v1::inventory_service_server::InventoryServiceServer,
    order::v1::{
        GetOrderRequest, order_service_client::OrderServiceClient, order_service_server::OrderServiceServer,
    },
};
use sea_orm::ConnectionTrait as _;
use server::{Application, BuildError, Config, Context, Listeners, Service, SqlMigration};
use testkit::{Broker, Database, TestIdentity, certificates, channel_as, eventually};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::Channel,
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use values::{Clock, UserId};

use crate::handlers::{Handlers, Imports, SELL, Stock};

pub(crate) const SOON: Duration = Duration::from_secs(20);

#[derive(clap::Parser)]
pub(crate) struct ShopConfig {
    #[command(flatten)]
    pub(crate) server: Config,
    #[arg(skip)]
    verifier: Option<Verifier>,
    #[arg(skip)]
    desk: Desk,
}

impl AsRef<Config> for ShopConfig {
    fn as_ref(&self) -> &Config {
        &self.server
    }
}

/// What a test and the handlers tell each other.
#[derive(Clone, Default)]
pub(crate) struct Desk {
    /// A slow call has begun.
    pub(crate) begun: Arc<Notify>,
    /// Lets slow calls end.
    pub(crate) finish: CancellationToken,
    /// Makes the background task end although nothing stopped it.
    pub(crate) give_up: CancellationToken,
    /// Makes the background task's last turn wait for that and then commit an event.
    pub(crate) sells_last: Arc<OnceLock<CancellationToken>>,
}

pub(crate) struct Shop;

#[tonic::async_trait]
impl Application for Shop {
    const NAME: &'static str = "shop";
    const PORT: u16 = 50059;
    const MIGRATIONS: &'static [SqlMigration] =
        &[SqlMigration { name: "0001_visits", sql: "CREATE TABLE visits (id bigint PRIMARY KEY);" }];
    type Config = ShopConfig;

    async fn build(config: ShopConfig, context: &Context) -> Result<Service, BuildError> {
        let verifier = config.verifier.unwrap_or_else(|| Verifier::with_keys(Vec::new()));
        let handlers = Handlers { db: context.db.clone(), desk: config.desk.clone() };
        let (stop, give_up) = (context.stop.clone(), config.desk.give_up.clone());
        let (db, sells) = (context.db.clone(), config.desk.sells_last.clone());
        let last_turn = async move {
            if let Some(when) = sells.get() {
                when.cancelled().await;
                let _ = db.execute_unprepared(SELL).await;
            }
        };
        Ok(Service::new(Self::NAME, verifier)
            .rpc(OrderServiceServer::new(handlers))
            .rpc(Stock(InventoryServiceServer::new(Imports(config.desk))))
            .task("relay", context.relay("SHOP").run(context.stop.clone()))
            .task("the sweeper", async move {
                tokio::select! {
                    () = stop.cancelled() => last_turn.await,
                    () = give_up.cancelled() => {}
                }
            }))
    }
}

/// A shop, and what stands behind it.
pub(crate) struct Running {
    pub(crate) grpc: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) desk: Desk,
    pub(crate) stop: CancellationToken,
    pub(crate) ended: JoinHandle<Result<(), server::Error>>,
    pub(crate) identity: TestIdentity,
    pub(crate) broker: Broker,
    pub(crate) database: Database,
    token: String,
}

/// What a shop is started on.
pub(crate) struct Grounds {
    pub(crate) database: Database,
    pub(crate) broker: Broker,
    /// Instead of one that knows the tokens of the shop's own identity.
    pub(crate) verifier: Option<Verifier>,
}

impl Grounds {
    pub(crate) async fn new() -> Result<Self> {
        Ok(Self {
            database: testkit::empty_database().await?,
            broker: Broker::start().await?,
            verifier: None,
        })
    }

    /// Starts the shop with a configuration changed by `change`.
    pub(crate) async fn start(self, change: impl FnOnce(&mut Config)) -> Result<Running> {
        let desk = Desk::default();
        let identity = TestIdentity::start().await?;
        let token = identity.token(UserId::new())?;
        let mut server = testkit::config::<Shop>(&self.database, &self.broker)?;
        change(&mut server);
        let verifier = self.verifier.or_else(|| Some(identity.verifier()));
        let config = ShopConfig { server, verifier, desk: desk.clone() };
        let listeners = Listeners {
            grpc: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?,
            admin: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?,
        };
        let (grpc, admin) = (listeners.grpc.local_addr()?, listeners.admin.local_addr()?);
        let stop = CancellationToken::new();
        let ended = tokio::spawn(server::run::<Shop>(config, listeners, Clock::system(), stop.clone()));
        Ok(Running {
            grpc,
            admin,
            desk,
            stop,
            ended,
            identity,
            broker: self.broker,
            database: self.database,
            token,
        })
    }
}

/// Starts the service on an own database and waits until it is ready.
pub(crate) async fn start() -> Result<Running> {
    start_with(|_| {}).await
}

/// Starts it with a configuration changed by `change` and waits until it is ready.
pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Result<Running> {
    let running = Grounds::new().await?.start(change).await?;
    running.becomes(ServingStatus::Serving).await?;
    Ok(running)
}

/// Adds a user's token to calls that have none.
#[derive(Clone)]
pub(crate) struct Bearer(MetadataValue<Ascii>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if request.metadata().get("authorization").is_none() {
            request.metadata_mut().insert("authorization", self.0.clone());
        }
        Ok(request)
    }
}

pub(crate) type Orders = OrderServiceClient<InterceptedService<Channel, Bearer>>;

impl Running {
    /// As a signed-in user asks for orders, through the gateway.
    pub(crate) fn orders(&self) -> Result<Orders> {
        let bearer = Bearer(format!("Bearer {}", self.token).parse()?);
        Ok(OrderServiceClient::with_interceptor(self.channel_as("gateway")?, bearer))
    }

    /// The headers of a call by the same user.
    pub(crate) fn bearer(&self) -> (&'static str, String) {
        ("authorization", format!("Bearer {}", self.token))
    }

    pub(crate) fn channel_as(&self, service: &str) -> Result<Channel> {
        channel_as(&certificates()?.identity(service)?, Shop::NAME, self.grpc)
    }

    /// What gRPC health says on the port for calls.
    pub(crate) async fn health(&self, service: &str) -> Result<ServingStatus> {
        health(self.channel_as("gateway")?, service).await
    }

    /// What it says on the admin port.
    pub(crate) async fn admin_health(&self, service: &str) -> Result<ServingStatus> {
        health(Channel::from_shared(format!("http://{}", self.admin))?.connect().await?, service).await
    }

    /// Waits until gRPC health says so on both ports.
    pub(crate) async fn becomes(&self, wanted: ServingStatus) -> Result<()> {
        eventually(&format!("{wanted:?} on both ports"), SOON, async || {
            let statuses = [self.health("").await.ok()?, self.admin_health("").await.ok()?];
            (statuses == [wanted, wanted]).then_some(())
        })
        .await
        .context(if self.ended.is_finished() { "the shop ended" } else { "the shop runs" })
    }

    /// Waits until it takes no new connections.
    pub(crate) async fn becomes_deaf(&self) -> Result<()> {
        eventually("no more connections", SOON, async || TcpStream::connect(self.grpc).await.err().map(drop))
            .await
    }

    /// Stops it and tells how it ended.
    pub(crate) async fn stopped(self) -> Result<()> {
        self.stop.cancel();
        Ok(self.ended.await??)
    }
}

async fn health(channel: Channel, service: &str) -> Result<ServingStatus> {
    let answer = HealthClient::new(channel).check(HealthCheckRequest { service: service.to_owned() }).await?;
    Ok(answer.into_inner().status())
}

pub(crate) fn order(order_id: &str) -> GetOrderRequest {
    GetOrderRequest { order_id: order_id.to_owned() }
}
