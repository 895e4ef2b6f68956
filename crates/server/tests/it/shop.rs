//! The small service: order's contract, with handlers that misbehave when asked to.

use std::{
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use anyhow::Result;
use auth::Verifier;
use futures::{Stream, StreamExt as _, stream};
use proto::order::v1::{
    CancelOrderRequest, GetOrderHistoryRequest, GetOrderHistoryResponse, GetOrderRequest,
    GetOrderStatusRequest, Order, OrderStatus, PlaceOrderRequest, WatchOrderRequest,
    order_service_client::OrderServiceClient,
    order_service_server::{OrderService, OrderServiceServer},
};
use sea_orm::{ConnectionTrait as _, DatabaseConnection};
use server::{Application, BuildError, Config, Context, Listeners, Service, SqlMigration};
use testkit::{PEER_SECRET, TestIdentity, eventually};
use tokio::{net::TcpListener, sync::Notify, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, transport::Channel};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use values::Clock;

/// Nothing answers there: the broker is down in all of these tests.
const NO_BROKER: &str = "nats://127.0.0.1:9";
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
}

pub(crate) struct Shop;

impl Application for Shop {
    const NAME: &'static str = "shop";
    const PORT: u16 = 50059;
    const MIGRATIONS: &'static [SqlMigration] =
        &[SqlMigration { name: "0001_visits", sql: "CREATE TABLE visits (id bigint PRIMARY KEY);" }];
    type Config = ShopConfig;

    async fn build(config: ShopConfig, context: &Context) -> Result<Service, BuildError> {
        let verifier = config.verifier.unwrap_or_else(|| Verifier::with_keys(Vec::new()));
        let handlers = Handlers { db: context.db.clone(), desk: config.desk.clone() };
        let (stop, give_up) = (context.stop.clone(), config.desk.give_up);
        Ok(Service::new(Self::NAME, verifier).rpc(OrderServiceServer::new(handlers)).task(
            "the sweeper",
            async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = give_up.cancelled() => {}
                }
            },
        ))
    }
}

struct Handlers {
    db: DatabaseConnection,
    desk: Desk,
}

type Statuses = Pin<Box<dyn Stream<Item = Result<OrderStatus, Status>> + Send>>;

#[tonic::async_trait]
impl OrderService for Handlers {
    async fn get_order(&self, request: Request<GetOrderRequest>) -> Result<Response<Order>, Status> {
        match request.get_ref().order_id.as_str() {
            "panic" => {
                let nothing: Option<()> = None;
                assert!(nothing.is_some(), "as asked");
            }
            "slow" => {
                self.desk.begun.notify_one();
                self.desk.finish.cancelled().await;
            }
            "count" => {
                let counted = self.db.execute_unprepared("SELECT count(*) FROM visits").await;
                counted.map_err(|error| server::status::from_db(&error))?;
            }
            "mine" => {
                let order_id = server::caller::customer(&request)?.user_id.to_string();
                return Ok(Response::new(Order { order_id, ..Order::default() }));
            }
            _ => {}
        }
        Ok(Response::new(Order { order_id: request.into_inner().order_id, ..Order::default() }))
    }

    async fn place_order(&self, request: Request<PlaceOrderRequest>) -> Result<Response<Order>, Status> {
        server::caller::service_only(&request)?;
        Ok(Response::new(Order::default()))
    }

    type WatchOrderStream = Statuses;

    async fn watch_order(&self, request: Request<WatchOrderRequest>) -> Result<Response<Statuses>, Status> {
        let order_id = request.into_inner().order_id;
        let panics = order_id == "panic";
        let first = stream::iter([Ok(OrderStatus { order_id, ..OrderStatus::default() })]);
        let mut is_sent = false;
        let rest = stream::poll_fn(move |context| {
            // The first status goes out when the stream has to wait.
            assert!(!(panics && is_sent), "as asked");
            is_sent = true;
            if panics {
                context.waker().wake_by_ref();
            }
            Poll::Pending
        });
        Ok(Response::new(first.chain(rest).boxed()))
    }

    async fn get_order_status(
        &self,
        _: Request<GetOrderStatusRequest>,
    ) -> Result<Response<OrderStatus>, Status> {
        Err(Status::unimplemented("not in these tests"))
    }

    async fn cancel_order(&self, _: Request<CancelOrderRequest>) -> Result<Response<Order>, Status> {
        Err(Status::unimplemented("not in these tests"))
    }

    async fn get_order_history(
        &self,
        _: Request<GetOrderHistoryRequest>,
    ) -> Result<Response<GetOrderHistoryResponse>, Status> {
        Err(Status::unimplemented("not in these tests"))
    }
}

/// The service, running.
pub(crate) struct Running {
    pub(crate) grpc: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) desk: Desk,
    pub(crate) stop: CancellationToken,
    pub(crate) ended: JoinHandle<Result<(), server::Error>>,
}

/// Starts the service on an own database and waits until it is ready.
pub(crate) async fn start() -> Result<Running> {
    start_with(None, |_| {}).await
}

/// Starts it with tokens verified by `verifier` and a configuration changed by `change`; waits until it is ready.
pub(crate) async fn start_with(
    verifier: Option<Verifier>,
    change: impl FnOnce(&mut Config),
) -> Result<Running> {
    let database = testkit::empty_database().await?;
    let running = start_on(database.url(), verifier, change).await?;
    running.becomes(ServingStatus::Serving).await?;
    Ok(running)
}

/// Starts it on the database at `url`, which may not be there.
pub(crate) async fn start_on(
    url: &str,
    verifier: Option<Verifier>,
    change: impl FnOnce(&mut Config),
) -> Result<Running> {
    let desk = Desk::default();
    let mut config = Config::new(url, NO_BROKER, PEER_SECRET);
    change(&mut config);
    let config = ShopConfig { server: config, verifier, desk: desk.clone() };
    let listeners = Listeners {
        grpc: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?,
        admin: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?,
    };
    let (grpc, admin) = (listeners.grpc.local_addr()?, listeners.admin.local_addr()?);
    let stop = CancellationToken::new();
    let ended = tokio::spawn(server::run::<Shop>(config, listeners, Clock::system(), stop.clone()));
    Ok(Running { grpc, admin, desk, stop, ended })
}

impl Running {
    pub(crate) async fn orders(&self) -> Result<OrderServiceClient<Channel>> {
        Ok(OrderServiceClient::new(channel(self.grpc).await?))
    }

    /// What gRPC health says on a port.
    pub(crate) async fn health(port: SocketAddr, service: &str) -> Result<ServingStatus> {
        let mut health = HealthClient::new(channel(port).await?);
        let answer = health.check(HealthCheckRequest { service: service.to_owned() }).await?;
        Ok(answer.into_inner().status())
    }

    /// Waits until gRPC health says so on both ports.
    pub(crate) async fn becomes(&self, wanted: ServingStatus) -> Result<()> {
        for port in [self.grpc, self.admin] {
            eventually(&format!("{wanted:?} on {port}"), SOON, async || {
                Self::health(port, "").await.ok().filter(|status| *status == wanted)
            })
            .await?;
        }
        Ok(())
    }

    /// Stops it and tells how it ended.
    pub(crate) async fn stopped(self) -> Result<()> {
        self.stop.cancel();
        Ok(self.ended.await??)
    }
}

pub(crate) async fn channel(address: SocketAddr) -> Result<Channel> {
    Ok(Channel::from_shared(format!("http://{address}"))?.connect().await?)
}

pub(crate) fn order(order_id: &str) -> GetOrderRequest {
    GetOrderRequest { order_id: order_id.to_owned() }
}

/// The service, and identity for its callers' tokens.
pub(crate) async fn start_with_identity() -> Result<(Running, TestIdentity)> {
    let identity = TestIdentity::start().await?;
    let running = start_with(Some(identity.verifier()), |_| {}).await?;
    Ok((running, identity))
}
