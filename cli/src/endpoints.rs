//! Where the shop answers.

use std::time::Duration;

use clap::Args;
use proto::{
    identity::v1::identity_service_client::IdentityServiceClient,
    inventory::v1::inventory_service_client::InventoryServiceClient,
    order::v1::order_service_client::OrderServiceClient,
    payment::v1::payment_service_client::PaymentServiceClient,
};
use tonic::transport::{Channel, Endpoint};

use crate::failure::Failure;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// The addresses of the services; right for `cargo xtask up` without being named.
#[derive(Args, Clone)]
#[command(next_help_heading = "Addresses")]
pub(crate) struct Endpoints {
    /// Accounts and addresses
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        env = "BOOKSTORE_IDENTITY",
        value_name = "URL",
        default_value = "http://127.0.0.1:50051"
    )]
    identity_url: String,
    /// Books and stock
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        env = "BOOKSTORE_INVENTORY",
        value_name = "URL",
        default_value = "http://127.0.0.1:50052"
    )]
    inventory_url: String,
    /// Orders
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        env = "BOOKSTORE_ORDER",
        value_name = "URL",
        default_value = "http://127.0.0.1:50053"
    )]
    order_url: String,
    /// Wallets and payments
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        env = "BOOKSTORE_PAYMENT",
        value_name = "URL",
        default_value = "http://127.0.0.1:50054"
    )]
    payment_url: String,
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
}

impl Endpoints {
    pub(crate) async fn identity(&self) -> Result<IdentityServiceClient<Channel>, Failure> {
        Ok(IdentityServiceClient::new(self.connect(&self.identity_url).await?))
    }

    pub(crate) async fn inventory(&self) -> Result<InventoryServiceClient<Channel>, Failure> {
        Ok(InventoryServiceClient::new(self.connect(&self.inventory_url).await?))
    }

    pub(crate) async fn order(&self) -> Result<OrderServiceClient<Channel>, Failure> {
        Ok(OrderServiceClient::new(self.connect(&self.order_url).await?))
    }

    pub(crate) async fn payment(&self) -> Result<PaymentServiceClient<Channel>, Failure> {
        Ok(PaymentServiceClient::new(self.connect(&self.payment_url).await?))
    }

    async fn connect(&self, address: &str) -> Result<Channel, Failure> {
        let endpoint = Endpoint::from_shared(address.to_owned()).map_err(|_| {
            Failure::usage(format!("`{address}` is no address; one looks like http://127.0.0.1:50051"))
        })?;
        endpoint
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(Duration::from_secs(self.timeout))
            // Notices a dead peer under a stream that has nothing to say.
            .http2_keep_alive_interval(CONNECT_TIMEOUT * 3)
            .connect()
            .await
            .map_err(|_| Failure::Unreachable { address: address.to_owned() })
    }
}
