//! How the Kubernetes API is reached.

use std::time::Duration;

use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use kube::client::ConfigExt as _;
use tower::{BoxError, ServiceBuilder};

use super::{Shared, failure::Failure};

const CONNECT: Duration = Duration::from_secs(5);
/// A watch is silent for minutes; that nobody is there any more has to be asked for.
const KEEPALIVE: Duration = Duration::from_secs(15);
const KEEPALIVES: u32 = 3;

/// kube's client without its spans, log lines and retries: what fails is told and tried again here.
///
/// Token and authority are read anew from their files while it runs.
pub(super) async fn client(shared: &Shared) -> Result<&kube::Client, Failure> {
    shared
        .client
        .get_or_try_init(async || {
            let config = match &shared.config {
                Some(config) => config.clone(),
                None => kube::Config::incluster().map_err(|error| Failure::NoPod(error.into()))?,
            };
            let mut tcp = HttpConnector::new();
            tcp.enforce_http(false);
            tcp.set_connect_timeout(Some(CONNECT));
            tcp.set_nodelay(true);
            tcp.set_keepalive(Some(KEEPALIVE));
            tcp.set_keepalive_interval(Some(KEEPALIVE));
            tcp.set_keepalive_retries(Some(KEEPALIVES));
            let unusable = |error: kube::Error| Failure::NoPod(error.into());
            let https = config.rustls_https_connector_with_connector(tcp).map_err(unusable)?;
            let service = ServiceBuilder::new()
                .layer(config.base_uri_layer())
                .option_layer(config.auth_layer().map_err(unusable)?)
                .layer(config.extra_headers_layer().map_err(unusable)?)
                .map_err(BoxError::from)
                .service(Client::builder(TokioExecutor::new()).build(https));
            Ok(kube::Client::new(service, config.default_namespace))
        })
        .await
}
