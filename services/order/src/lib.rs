//! The order service: takes orders and sees them through.

mod clients;
mod config;
mod domain;
mod error;
mod events;
mod fulfil;
mod metrics;
mod notifier;
mod place;
mod rpc;
mod settle;
mod store;
mod sweeper;
mod together;
mod watchers;

pub use config::Config;

use batch::{Batcher, Limits};
use proto::order::v1::order_service_server::OrderServiceServer;
use server::{Application, BuildError, Context, Service, SqlMigration};

use crate::{
    clients::{Identity, Inventory},
    events::{
        on_address_changed::OnAddressChanged, on_payment_captured::OnPaymentCaptured,
        on_payment_failed::OnPaymentFailed, on_payment_refunded::OnPaymentRefunded,
        on_profile_updated::OnProfileUpdated, on_shop_member_changed::OnShopMemberChanged,
        on_user_deleted::OnUserDeleted,
    },
    notifier::Notifier,
    place::Place,
    rpc::OrderService,
    sweeper::{Broker, Complaints, Sweeper},
    together::{Recipients, Reservations},
    watchers::Watchers,
};

/// The order service.
#[derive(Clone, Copy, Debug)]
pub struct Order;

#[tonic::async_trait]
impl Application for Order {
    const NAME: &'static str = "order";
    const PORT: u16 = 50053;
    const MIGRATIONS: &'static [SqlMigration] = server::migrations!(
        "0001_orders",
        "0002_fulfilment",
        "0003_earlier_shipments",
        "0004_order_searches",
        "0005_shipments_together",
    );
    type Config = Config;

    async fn build(config: Config, context: &Context) -> Result<Service, BuildError> {
        let (db, measured, stop) = (context.db.clone(), context.db.clone(), &context.stop);
        let relay = context.relay("ORDER");
        let watchers = Watchers::default();
        let notifier = Notifier::new(relay.wake_handle(), watchers.clone());

        let to_identity = context.client("identity", &config.identity_target);
        let identity = Identity::new(to_identity.clone());
        let inventory = Inventory::new(context.client("inventory", &config.inventory_target));

        let place = Place { db: db.clone(), notifier: notifier.clone() };
        let rpc = OrderService {
            db: db.clone(),
            recipients: Recipients::spawn(identity.clone()),
            reservations: Reservations::spawn(inventory.clone()),
            new_orders: Batcher::spawn("place", place, Limits::default()),
            notifier: notifier.clone(),
            watchers: watchers.clone(),
            streams_end: context.streams_end.clone(),
        };
        let captured =
            OnPaymentCaptured { db: db.clone(), inventory: inventory.clone(), notifier: notifier.clone() };
        let failed = OnPaymentFailed { notifier: notifier.clone() };
        let refunded = OnPaymentRefunded { notifier: notifier.clone() };
        let sweeper = Sweeper {
            db,
            identity,
            inventory,
            broker: Broker::new(context.nats.clone(), context.reconnects.clone()),
            notifier,
            complaints: Complaints::default(),
            payment_deadline: config.payment_deadline,
            interval: config.sweep_interval,
        };

        Ok(Service::new(Self::NAME, server::jwks(to_identity))
            .rpc(OrderServiceServer::new(rpc))
            .task("relay", relay.run(stop.clone()))
            .task("payment.captured", context.consume("PAYMENT", captured))
            .task("payment.failed", context.consume("PAYMENT", failed))
            .task("payment.refunded", context.consume("PAYMENT", refunded))
            .task("profile_updated", context.consume("IDENTITY", OnProfileUpdated))
            .task("address_changed", context.consume("IDENTITY", OnAddressChanged))
            .task("user_deleted", context.consume("IDENTITY", OnUserDeleted))
            .task("shop_member_changed", context.consume("INVENTORY", OnShopMemberChanged))
            .task("sweeper", sweeper.run(stop.clone()))
            .task(
                "measures",
                server::measures::repeat(stop.clone(), async move || metrics::measure(&measured).await),
            )
            .task("watchers", watchers.follow(context.nats.clone(), stop.clone())))
    }
}
