use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, Result};
use proto::{
    events::v1::dead_letters_client::DeadLettersClient,
    identity::v1::identity_service_client::IdentityServiceClient,
    inventory::v1::inventory_service_client::InventoryServiceClient,
    notification::v1::notification_service_client::NotificationServiceClient,
    order::v1::order_service_client::OrderServiceClient,
    payment::v1::payment_service_client::PaymentServiceClient,
};
use testkit::eventually;
use tonic::{
    Response, Status,
    body::Body,
    transport::{Channel, Endpoint},
};
use tower::{ServiceExt as _, util::BoxCloneSyncService};

use crate::{
    answers::Answers,
    customer::{END, PAUSE, is_passing},
};

/// How long a caller waits: a paused process answers nothing.
const PATIENCE: Duration = Duration::from_secs(10);

/// What calls go through.
pub type Door = BoxCloneSyncService<http::Request<Body>, http::Response<Body>, Status>;

/// Calls to the services, all through the gateway, over a connection that is made when it is first used and made again
/// when it breaks.
///
/// It belongs to the test that makes it: a connection ends with the runtime that drives it.
#[derive(Clone, Debug)]
pub struct Clients {
    door: Door,
    answers: Answers,
}

impl Clients {
    /// Through the gateway or the gateways that answer there.
    pub fn to(gateways: &[SocketAddr], answers: Answers) -> Result<Self> {
        let door = match gateways {
            [only] => {
                let endpoint = Endpoint::from_shared(format!("http://{only}"))?.timeout(PATIENCE);
                straight(endpoint.connect_lazy())
            }
            several => {
                let list: Vec<String> = several.iter().map(ToString::to_string).collect();
                let target: mesh::Target = format!("ipv4:{}", list.join(",")).parse()?;
                let policy = mesh::Policy { timeout: PATIENCE, ..Default::default() };
                let client = mesh::Client::new("gateway", &target, policy, None);
                BoxCloneSyncService::new(client.map_err(|never| match never {}))
            }
        };
        Ok(Self { door, answers })
    }

    /// Past the gateway, as whoever made the connection.
    #[must_use]
    pub fn through(channel: Channel) -> Self {
        Self { door: straight(channel), answers: Answers::default() }
    }

    /// What the shop says to `what` in the end: the same call each time, should it be broken for a while, or busy.
    pub async fn answered<A>(
        &self,
        what: &str,
        call: impl AsyncFn() -> Result<Response<A>, Status>,
    ) -> Result<Result<A, Status>> {
        let mut last = None;
        let answer = eventually(what, END, async || {
            let answer = call().await;
            self.answers.note(&answer);
            match answer {
                Err(status) if is_passing(&status) => {
                    last = Some(status);
                    tokio::time::sleep(PAUSE).await;
                    None
                }
                answer => Some(answer.map(Response::into_inner)),
            }
        })
        .await;
        answer.with_context(|| format!("last answer: {last:?}"))
    }

    /// To anything: what the clients below are made of.
    #[must_use]
    pub fn door(&self) -> Door {
        self.door.clone()
    }

    /// To identity.
    #[must_use]
    pub fn identity(&self) -> IdentityServiceClient<Door> {
        IdentityServiceClient::new(self.door())
    }

    /// To inventory.
    #[must_use]
    pub fn inventory(&self) -> InventoryServiceClient<Door> {
        InventoryServiceClient::new(self.door())
    }

    /// To order.
    #[must_use]
    pub fn order(&self) -> OrderServiceClient<Door> {
        OrderServiceClient::new(self.door())
    }

    /// To payment.
    #[must_use]
    pub fn payment(&self) -> PaymentServiceClient<Door> {
        PaymentServiceClient::new(self.door())
    }

    /// To notification.
    #[must_use]
    pub fn notification(&self) -> NotificationServiceClient<Door> {
        NotificationServiceClient::new(self.door())
    }

    /// To the dead letters of the service that the request's metadata names.
    #[must_use]
    pub fn dead_letters(&self) -> DeadLettersClient<Door> {
        DeadLettersClient::new(self.door())
    }
}

fn straight(channel: Channel) -> Door {
    BoxCloneSyncService::new(channel.map_err(|error| Status::from_error(error.into())))
}
