//! The payment service: wallets, the ledger behind them, and the payments of orders.

mod config;
mod domain;
mod errands;
mod error;
mod events;
mod gateway;
mod metrics;
mod rpc;
mod store;

pub use config::{Cards, Config};

use proto::payment::v1::payment_service_server::PaymentServiceServer;
use server::{Application, BuildError, Context, Service, SqlMigration};

use crate::{
    errands::Errands,
    events::{OnOrderCancelled, OnOrderPlaced, OnOrderReturned, OnUserDeleted, OnUserRegistered},
    gateway::{Gateway, Simulated},
    rpc::Payments,
};

/// The payment service.
#[derive(Clone, Copy, Debug)]
pub struct Payment;

#[tonic::async_trait]
impl Application for Payment {
    const NAME: &'static str = "payment";
    const PORT: u16 = 50054;
    const MIGRATIONS: &'static [SqlMigration] =
        server::migrations!("0001_ledger", "0002_cards", "0003_card_payments", "0004_payment_lists");
    type Config = Config;

    async fn build(config: Config, context: &Context) -> Result<Service, BuildError> {
        let relay = context.relay("PAYMENT");
        let wake = relay.wake_handle();
        let identity = context.client("identity", &config.identity_target);
        let (cards, measured) = (config.cards, context.db.clone());
        let gateway = Gateway::new(Simulated::open(&context.database_url).await?, cards.card_patience);
        let errands = Errands::new(context.db.clone(), gateway, cards.card_pause, wake.clone());
        let rpc = Payments { db: context.db.clone(), errands: errands.clone(), currency: config.currency };
        Ok(Service::new(Self::NAME, server::jwks(identity))
            .rpc(PaymentServiceServer::new(rpc))
            .task("relay", relay.run(context.stop.clone()))
            .task("errands", errands.clone().run(context.stop.clone()))
            .task(
                "measures",
                server::measures::repeat(context.stop.clone(), async move || {
                    metrics::measure(&measured).await
                }),
            )
            .task(
                "order.placed",
                context.consume("ORDER", OnOrderPlaced { wake: wake.clone(), errands: errands.clone() }),
            )
            .task(
                "order.cancelled",
                context.consume("ORDER", OnOrderCancelled { wake: wake.clone(), errands: errands.clone() }),
            )
            .task("order.returned", context.consume("ORDER", OnOrderReturned { wake, errands }))
            .task(
                "user_registered",
                context.consume("IDENTITY", OnUserRegistered { currency: config.currency }),
            )
            .task("user_deleted", context.consume("IDENTITY", OnUserDeleted)))
    }
}
