//! The one door: what clients may call is passed on to the services by the contract's packages, on one port, as gRPC and
//! gRPC-Web.
//!
//! The gateway shows the services its own identity and adds nothing to what its clients may do: the services verify
//! users' tokens themselves. It never sends what only services may call.

mod access_log;
mod brief;
mod caller;
mod config;
mod door;
#[doc(hidden)]
pub mod fuzzing;
mod headers;
mod limit;
mod pages;
mod proxy;
mod reflection;
mod request_id;
mod route;
mod status;
mod upstream;
mod web;

use std::time::Duration;

pub use config::{Config, Networks, Origins};
pub use limit::Limits;

use mesh::{Policy, Target};
use server::{BuildError, Front, FrontContext, FrontService};
use telemetry::rpc::ServerLayer;
use tonic::service::Routes as About;
use tower::{Layer as _, util::option_layer};

use crate::{
    caller::Callers,
    door::{Door, Rooms},
    limit::Limiter,
    proxy::Rules,
    route::Routes,
    upstream::Upstream,
    web::Web,
};

/// A name of a symbol or of a service: what strangers ask the gateway itself may hold no memory.
const LARGEST_QUESTION: usize = 1024;
/// How long a unary call may take whatever its client says: places are not lent for ever.
const LONGEST_CALL: Duration = Duration::from_hours(1);

/// The gateway.
#[derive(Clone, Copy, Debug)]
pub struct Gateway;

#[tonic::async_trait]
impl Front for Gateway {
    const NAME: &'static str = "gateway";
    const PORT: u16 = 8080;
    const ADMIN_PORT: u16 = 51080;
    type Config = Config;

    fn asked_traces(config: &Config) -> u32 {
        config.asked_traces_per_second
    }

    async fn build(config: Config, context: &FrontContext) -> Result<FrontService, BuildError> {
        let client = |callee, target: &Target| {
            let policy = Policy { timeout: LONGEST_CALL, ..Policy::default() };
            Upstream::new(context.client_with(callee, target, policy), config.base.max_concurrent_calls)
        };
        let contract = reflection::public(proto::FILE_DESCRIPTOR_SET)?;
        let reflection = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(&contract)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
        let verifier = server::jwks(context.client("identity", &config.identity_target));
        let routes = Routes::of(proto::FILE_DESCRIPTOR_SET)?;
        let proxies = config.trusted_proxies.0.clone();
        let measured = ServerLayer::new(routes.names());
        let door = Door::new(Rooms {
            routes,
            // In the order of `route::UPSTREAMS`.
            services: [
                client("identity", &config.identity_target),
                client("inventory", &config.inventory_target),
                client("order", &config.order_target),
                client("payment", &config.payment_target),
                client("notification", &config.notification_target),
            ],
            callers: Callers::new(verifier, context.clock.clone(), config.trusted_proxies.0),
            limiter: Limiter::new(config.limits, config.base.max_concurrent_calls),
            rules: Rules {
                max_message: config.max_message as usize,
                default_deadline: config.default_deadline,
                streams_end: context.streams_end.clone(),
            },
            about: About::new(context.health())
                .add_service(reflection.build_v1()?.max_decoding_message_size(LARGEST_QUESTION))
                .prepare(),
            pages: pages::router(),
            logs_addresses: config.log_addresses,
        });
        let cors = option_layer(web::cors(&config.cors_origins));
        let service = FrontService::new(cors.layer(Web::new(door, &measured)));
        // Whoever is behind a proxy shares its address with all others.
        Ok(service.sparing(move |peer| proxies.iter().any(|proxies| proxies.contains(&peer))))
    }
}
