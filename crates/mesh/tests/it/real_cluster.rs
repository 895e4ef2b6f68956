//! The same on a real API server, where the environment names one: `BOOKSTORE_TEST_KUBECONFIG`. The replicas are in this
//! process; only who they are is told by endpoint slices, so their addresses must be such as a slice may have.

use std::{
    ffi::OsStr,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use k8s_openapi::{
    api::{core::v1 as core, discovery::v1::EndpointSlice},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, Config, ResourceExt as _,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use mesh::{Kubernetes, Place};
use proto::payment::v1::GetBalanceRequest;
use serde_json::json;
use tokio::net::UdpSocket;
use tonic::Code;

use crate::{
    cluster::payment,
    eventually,
    load::{call_for, turn},
    replica::{Replica, Reply},
};

const SECOND: Duration = Duration::from_secs(1);

/// A namespace for one test.
struct Ground {
    config: Config,
    client: kube::Client,
    namespace: String,
}

/// Runs a test on a ground of its own, if there is a cluster.
#[expect(clippy::print_stderr, reason = "a test that is skipped has to say so")]
async fn on_ground<F>(test: impl FnOnce(Arc<Ground>) -> F) -> Result<()>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let Some(path) = std::env::var_os("BOOKSTORE_TEST_KUBECONFIG") else {
        eprintln!("skipped: BOOKSTORE_TEST_KUBECONFIG names no cluster");
        return Ok(());
    };
    let ground = Arc::new(Ground::make(&path).await?);
    let outcome = tokio::spawn(test(ground.clone())).await;
    ground.leave().await?;
    outcome?
}

impl Ground {
    async fn make(path: &OsStr) -> Result<Self> {
        let kubeconfig = Kubeconfig::read_from(path)?;
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        let client = kube::Client::try_from(config.clone())?;
        let metadata =
            ObjectMeta { generate_name: Some("discovery-test-".to_owned()), ..ObjectMeta::default() };
        let namespace = core::Namespace { metadata, ..core::Namespace::default() };
        let made = Api::all(client.clone()).create(&PostParams::default(), &namespace).await?;
        let namespace = made.name_any();
        config.default_namespace.clone_from(&namespace);
        Ok(Self { config, client, namespace })
    }

    /// An address of this machine that isn't loopback's, which no slice may name.
    async fn own_ip(&self) -> Result<IpAddr> {
        let host = self.config.cluster_url.host().context("an API server without a host")?;
        let socket = UdpSocket::bind("0.0.0.0:0").await?;
        socket.connect((host, 443)).await?;
        Ok(socket.local_addr()?.ip())
    }

    /// A slice for each: replicas in one process have different ports.
    async fn scale(&self, replicas: &[&Replica]) -> Result<()> {
        let slices: Api<EndpointSlice> = Api::namespaced(self.client.clone(), &self.namespace);
        for (number, replica) in replicas.iter().enumerate() {
            let slice = slice(&format!("payment-{number}"), replica.address);
            slices.patch(&slice.name_any(), &PatchParams::apply("mesh-tests"), &Patch::Apply(&slice)).await?;
        }
        for slice in slices.list(&ListParams::default()).await? {
            let is_there = (0..replicas.len()).any(|number| slice.name_any() == format!("payment-{number}"));
            if !is_there {
                slices.delete(&slice.name_any(), &DeleteParams::default()).await?;
            }
        }
        Ok(())
    }

    async fn leave(&self) -> Result<()> {
        let namespaces: Api<core::Namespace> = Api::all(self.client.clone());
        namespaces.delete(&self.namespace, &DeleteParams::default()).await?;
        Ok(())
    }
}

fn slice(name: &str, address: SocketAddr) -> EndpointSlice {
    serde_json::from_value(json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": { "name": name, "labels": { "kubernetes.io/service-name": "payment" } },
        "addressType": "IPv4",
        "ports": [{ "name": "grpc", "port": address.port(), "protocol": "TCP" }],
        "endpoints": [{ "addresses": [address.ip()], "conditions": { "ready": true } }],
    }))
    .unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_three_one_of_a_real_service_share_evenly_within_ten_seconds() -> Result<()> {
    on_ground(one_three_one).await
}

async fn one_three_one(ground: Arc<Ground>) -> Result<()> {
    let _turn = turn().await;
    let ip = ground.own_ip().await?;
    let mut all = Vec::new();
    for _ in 0..3 {
        let replica = Replica::listen(SocketAddr::new(ip, 0), None).await?;
        replica.reply(Reply::Ok, Duration::from_millis(50));
        all.push(replica);
    }
    ground.scale(&[&all[0]]).await?;
    let client = payment(Kubernetes::at(ground.config.clone(), Place::default()))?;
    let outcome = call_for(&client, SECOND).await;
    assert!(outcome.failed.is_empty(), "{:?}", outcome.failed.first());
    assert_eq!(all[0].calls(), outcome.made);

    let changed = Instant::now();
    ground.scale(&all.iter().collect::<Vec<_>>()).await?;
    eventually("all are connected", || all.iter().all(|replica| replica.open() > 0)).await;
    let before: Vec<_> = all.iter().map(Replica::calls).collect();
    let outcome = call_for(&client, 3 * SECOND).await;
    assert!(outcome.failed.is_empty(), "{:?}", outcome.failed.first());
    let share = |(replica, before): (&Replica, usize)| (replica.calls() - before) * 300 / outcome.made;
    let shares: Vec<_> = all.iter().zip(before).map(share).collect();
    assert!(shares.iter().all(|share| (80..=120).contains(share)), "percent of an even share: {shares:?}");
    assert!(changed.elapsed() < 10 * SECOND, "{:?}", changed.elapsed());

    let load = tokio::spawn(async move { call_for(&client, 3 * SECOND).await });
    ground.scale(&[&all[0]]).await?;
    eventually("those who left are let go", || all[1].open() + all[2].open() == 0).await;
    let outcome = load.await?;
    assert!(outcome.failed.is_empty(), "{:?}", outcome.failed.first());
    Ok(())
}

#[tokio::test]
async fn a_service_account_without_a_role_is_refused_and_told_so() -> Result<()> {
    on_ground(without_a_role).await
}

async fn without_a_role(ground: Arc<Ground>) -> Result<()> {
    let nobody = format!("system:serviceaccount:{}:default", ground.namespace);
    let mut config = ground.config.clone();
    config.auth_info.impersonate = Some(nobody);
    let policy = mesh::Policy { kubernetes: Kubernetes::at(config, Place::default()), ..crate::patient() };
    let client = mesh::Client::new("unknown", &"k8s:///payment:grpc".parse()?, policy, None);
    let mut client = proto::payment::v1::payment_service_client::PaymentServiceClient::new(client);
    let status = client.get_balance(GetBalanceRequest::default()).await.err().context("an answer came")?;
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "no endpoint is known"));
    let counted = r#"mesh_client_discovery_failures_total{callee="unknown",reason="forbidden"}"#;
    assert!(telemetry::prometheus_text().contains(counted));
    Ok(())
}
