//! The one address at which the shop answers.

use std::{fmt, time::Duration};

use clap::{Args, ValueEnum};
use proto::{
    events::v1::dead_letters_client::DeadLettersClient,
    identity::v1::identity_service_client::IdentityServiceClient,
    inventory::v1::inventory_service_client::InventoryServiceClient,
    notification::v1::notification_service_client::NotificationServiceClient,
    order::v1::order_service_client::OrderServiceClient,
    payment::v1::payment_service_client::PaymentServiceClient,
};
use tokio::sync::OnceCell;
use tonic::{Request, metadata::MetadataValue, transport::Endpoint};

use crate::{
    failure::Failure,
    trace::{Told, Traced},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Where the shop is; right for `cargo xtask up` without being named.
#[derive(Args)]
#[command(next_help_heading = "The shop")]
pub(crate) struct Gateway {
    /// Where the shop answers
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        env = "BOOKSTORE_URL",
        value_name = "URL",
        default_value = "http://127.0.0.1:8080"
    )]
    url: String,
    /// How many seconds an answer may take
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        env = "BOOKSTORE_TIMEOUT",
        value_name = "SECONDS",
        default_value_t = 20,
        value_parser = clap::value_parser!(u64).range(1..=3600)
    )]
    timeout: u64,
    /// One for all that a command asks.
    #[arg(skip)]
    connection: OnceCell<Traced>,
    /// What it told of the trace.
    #[arg(skip)]
    told: Told,
}

/// A service behind the gateway.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Service {
    Identity,
    Inventory,
    Order,
    Payment,
    Notification,
}

impl Service {
    pub(crate) const ALL: [Self; 5] =
        [Self::Identity, Self::Inventory, Self::Order, Self::Payment, Self::Notification];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Inventory => "inventory",
            Self::Order => "order",
            Self::Payment => "payment",
            Self::Notification => "notification",
        }
    }

    /// Addresses a request to this service, for calls that every service answers.
    pub(crate) fn address<T>(self, mut request: Request<T>) -> Request<T> {
        request.metadata_mut().insert("bookstore-service", MetadataValue::from_static(self.name()));
        request
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Gateway {
    pub(crate) async fn identity(&self) -> Result<IdentityServiceClient<Traced>, Failure> {
        Ok(IdentityServiceClient::new(self.connected().await?))
    }

    pub(crate) async fn inventory(&self) -> Result<InventoryServiceClient<Traced>, Failure> {
        Ok(InventoryServiceClient::new(self.connected().await?))
    }

    pub(crate) async fn order(&self) -> Result<OrderServiceClient<Traced>, Failure> {
        Ok(OrderServiceClient::new(self.connected().await?))
    }

    pub(crate) async fn payment(&self) -> Result<PaymentServiceClient<Traced>, Failure> {
        Ok(PaymentServiceClient::new(self.connected().await?))
    }

    pub(crate) async fn notification(&self) -> Result<NotificationServiceClient<Traced>, Failure> {
        Ok(NotificationServiceClient::new(self.connected().await?))
    }

    /// Whose are meant says each request: [`Service::address`].
    pub(crate) async fn dead_letters(&self) -> Result<DeadLettersClient<Traced>, Failure> {
        Ok(DeadLettersClient::new(self.connected().await?))
    }

    pub(crate) const fn told(&self) -> &Told {
        &self.told
    }

    async fn connected(&self) -> Result<Traced, Failure> {
        self.connection.get_or_try_init(async || self.connect().await).await.cloned()
    }

    async fn connect(&self) -> Result<Traced, Failure> {
        let address = &self.url;
        let endpoint = Endpoint::from_shared(address.clone())
            .ok()
            .filter(|endpoint| endpoint.uri().scheme_str() == Some("http"))
            .ok_or_else(|| {
                Failure::usage(format!(
                    "`{address}` is no address of a shop; one looks like http://127.0.0.1:8080"
                ))
            })?;
        endpoint
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(Duration::from_secs(self.timeout))
            // Notices a dead peer under a stream that has nothing to say.
            .http2_keep_alive_interval(CONNECT_TIMEOUT * 3)
            .connect()
            .await
            .map(|connection| Traced::new(connection, &self.told))
            .map_err(|_| Failure::Unreachable { address: address.clone() })
    }
}
