use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use anyhow::{Context, Result};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::Api;
use system_tests::{Answers, Clients, Customer, Seller};
use tokio::sync::OnceCell;

use crate::{Cluster, Helm, cluster::until, forward::Forward, pods};

/// The services, each a Deployment of that name.
pub const SERVICES: [&str; 6] = ["identity", "inventory", "order", "payment", "notification", "gateway"];
/// All that the chart starts when nothing is told.
pub const COMPONENTS: [&str; 9] =
    ["identity", "inventory", "order", "payment", "notification", "gateway", "postgres", "nats", "jaeger"];
/// Two replicas of each service, and no demo: who shares a shop makes what they need.
const SHARED: [&str; 2] = ["defaults.replicas=2", "demo.enabled=false"];
/// Where the gateway answers clients.
const HTTP: u16 = 8080;
/// Ways from here to the gateways.
const WAYS: usize = 2;
/// Until the first pods are ready, on a busy machine.
const READY: Duration = Duration::from_mins(4);

/// The chart, installed into a namespace.
pub struct Shop {
    cluster: Cluster,
    namespace: String,
    helm: Helm,
    gateway: Forward,
}

impl Shop {
    /// Installs the chart into a new namespace, with these values; waits for nothing.
    pub async fn install(values: &[&str]) -> Result<Self> {
        let cluster = Cluster::open().await?;
        let namespace = cluster.new_namespace("bookstore-test", "restricted").await?;
        let shop = Self::of(cluster, namespace).await?;
        shop.helm.install(values).await?;
        Ok(shop)
    }

    /// The shop of all tests that leave one as they found it: two replicas of each service, ready.
    pub async fn shared() -> Result<Self> {
        static NAMESPACE: OnceCell<String> = OnceCell::const_new();
        let namespace = NAMESPACE.get_or_try_init(async || {
            let shop = Self::install(&SHARED).await?;
            shop.all_ready().await?;
            anyhow::Ok(shop.namespace)
        });
        let shop = Self::of(Cluster::open().await?, namespace.await?.clone()).await?;
        // Whatever the test before has left.
        shop.all_ready().await?;
        Ok(shop)
    }

    /// What [`Shop::shared`] is installed with, and these values.
    #[must_use]
    pub fn shared_with<'a>(values: &[&'a str]) -> Vec<&'a str> {
        SHARED.iter().chain(values).copied().collect()
    }

    async fn of(cluster: Cluster, namespace: String) -> Result<Self> {
        let helm = Helm::new(cluster.context(), &namespace);
        let gateway = Forward::open(&cluster.api(&namespace), "gateway", HTTP, WAYS).await?;
        Ok(Self { cluster, namespace, helm, gateway })
    }

    /// Where it runs.
    #[must_use]
    pub const fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Its namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Its release.
    #[must_use]
    pub const fn helm(&self) -> &Helm {
        &self.helm
    }

    /// Its pods.
    #[must_use]
    pub fn pods(&self) -> Api<Pod> {
        self.cluster.api(&self.namespace)
    }

    /// Waits until all that the chart starts is ready.
    pub async fn all_ready(&self) -> Result<()> {
        for component in COMPONENTS {
            self.rolled_out(component, READY).await?;
        }
        Ok(())
    }

    /// Calls through the gateways, as the shop's own clients make them: idempotent ones are tried again elsewhere when a
    /// connection breaks.
    pub fn clients(&self) -> Result<Clients> {
        Clients::to(self.gateway.addresses(), Answers::default())
    }

    /// Who runs the shop.
    pub async fn admin(&self) -> Result<Customer> {
        let account = self.secret("admin-account").await?;
        let part = |key: &str| account.get(key).with_context(|| format!("no {key} in admin-account"));
        let (email, password) = (part("email")?.clone(), part("password")?.clone());
        let clients = self.clients()?;
        until("the admin has signed in", READY, async || {
            Ok(Some(Customer::sign_in(clients.clone(), &email, &password).await?))
        })
        .await
    }

    /// Somebody new with a shop.
    pub async fn seller(&self) -> Result<Seller> {
        Seller::register(self.clients()?, &self.admin().await?).await
    }

    /// So many new customers, each with so much in the wallet.
    pub async fn customers(&self, count: usize, minor_units: i64) -> Result<Vec<Customer>> {
        let clients = self.clients()?;
        // No more at once than identity hashes passwords.
        let register = |_| Customer::register(clients.clone(), minor_units);
        stream::iter(0..count).map(register).buffered(2).try_collect().await
    }

    /// A Secret's texts.
    pub async fn secret(&self, name: &str) -> Result<BTreeMap<String, String>> {
        let secrets: Api<Secret> = self.cluster.api(&self.namespace);
        let data = secrets.get(name).await?.data.unwrap_or_default();
        data.into_iter().map(|(key, value)| Ok((key, String::from_utf8(value.0)?))).collect()
    }

    /// The image of a component's pods.
    pub(crate) async fn image(&self, component: &str) -> Result<String> {
        let pods = pods::of(&self.pods(), component).await?;
        let container = pods.into_iter().find_map(|pod| pod.spec?.containers.into_iter().next());
        container.and_then(|container| container.image).with_context(|| format!("no pod of {component}"))
    }

    /// What a component's pods are labelled with.
    pub(crate) async fn pod_labels(&self, component: &str) -> Result<BTreeMap<String, String>> {
        let pods = pods::of(&self.pods(), component).await?;
        let mut labels = pods.into_iter().find_map(|pod| pod.metadata.labels).unwrap_or_default();
        // By which a ReplicaSet would take it for its own.
        labels.remove("pod-template-hash");
        Ok(labels)
    }

    /// A port of this machine that leads to that port of a component's pods. Ends with what is returned beside it.
    pub async fn forward(&self, component: &str, port: u16) -> Result<(SocketAddr, impl Drop + use<>)> {
        let forward = Forward::open(&self.pods(), component, port, 1).await?;
        Ok((forward.addresses()[0], forward))
    }

    /// Takes the namespace away, with all that is in it.
    pub async fn remove(self) -> Result<()> {
        self.cluster.delete_namespace(&self.namespace).await
    }
}
