//! The inventory service: shops, books, prices, stock, and reservations of stock.

mod announcer;
mod config;
mod domain;
mod error;
mod events;
#[doc(hidden)]
pub mod fuzzing;
mod rpc;
mod steps;
mod store;
mod sweeper;

pub use config::Config;

use proto::inventory::v1::inventory_service_server::InventoryServiceServer;
use server::{Application, BuildError, Context, Service, SqlMigration};

use crate::events::{
    on_order_cancelled::OnOrderCancelled, on_order_returned::OnOrderReturned, on_user_deleted::OnUserDeleted,
};

/// The inventory service.
#[derive(Clone, Copy, Debug)]
pub struct Inventory;

#[tonic::async_trait]
impl Application for Inventory {
    const NAME: &'static str = "inventory";
    const PORT: u16 = 50052;
    const MIGRATIONS: &'static [SqlMigration] = server::migrations!(
        "0001_catalogue",
        "0002_stock",
        "0003_reservations",
        "0004_shops",
        "0005_import",
        "0006_announcements",
        "0007_movements_of_offer",
        "0008_movements_key",
    );
    type Config = Config;

    async fn build(config: Config, context: &Context) -> Result<Service, BuildError> {
        let identity = context.client("identity", &config.identity_target);
        let (db, stop) = (&context.db, &context.stop);

        let relay = context.relay("INVENTORY");
        let announcer = announcer::run(db.clone(), relay.wake_handle(), stop.clone());
        let deleted = OnUserDeleted { relay: relay.wake_handle() };
        let inventory = rpc::Inventory::new(db.clone(), relay.wake_handle(), config.reservation_ttl);

        Ok(Service::new(Self::NAME, server::jwks(identity))
            .rpc(InventoryServiceServer::new(inventory))
            .task("relay", relay.run(stop.clone()))
            .task("announcer", announcer)
            .task("order.cancelled", context.consume("ORDER", OnOrderCancelled))
            .task("order.returned", context.consume("ORDER", OnOrderReturned))
            .task("user_deleted", context.consume("IDENTITY", deleted))
            .task("sweeper", sweeper::run(db.clone(), config.sweep_interval, stop.clone())))
    }
}
