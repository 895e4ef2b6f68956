use std::{env, time::Duration};

use anyhow::{Context, Result};
use k8s_openapi::{NamespaceResourceScope, api::core::v1::Namespace};
use kube::{
    Api, Client, Config, Resource,
    api::{DeleteParams, ListParams, ObjectMeta, PostParams},
    config::KubeConfigOptions,
};
use testkit::eventually;
use tokio::time::sleep;

/// Names the kubeconfig's context that tests may use: never the one that happens to be current.
const CONTEXT: &str = "BOOKSTORE_TEST_CONTEXT";
/// Labels what the tests of one run have made, so that whoever started them can take it away.
const RUN: &str = "BOOKSTORE_TEST_RUN";
/// The label's key.
const RUN_LABEL: &str = "bookstore.test/run";
/// Between two looks at the cluster: its API server has other work to do.
const PAUSE: Duration = Duration::from_millis(250);

/// The cluster that tests run on, and a connection to it, which ends with the runtime of the test that opened it.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    context: String,
    run: String,
}

impl Cluster {
    /// The one that the environment names.
    pub async fn open() -> Result<Self> {
        let context = env::var(CONTEXT)
            .with_context(|| format!("`cargo xtask cluster-test` runs these tests, or set {CONTEXT}"))?;
        let options = KubeConfigOptions { context: Some(context.clone()), ..Default::default() };
        let config = Config::from_kubeconfig(&options).await.with_context(|| format!("context {context}"))?;
        let run = env::var(RUN).unwrap_or_else(|_| "by-hand".to_owned());
        Ok(Self { client: Client::try_from(config)?, context, run })
    }

    /// What is asked of the cluster goes through it.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn context(&self) -> &str {
        &self.context
    }

    /// Things of one kind in a namespace.
    #[must_use]
    pub fn api<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Makes a namespace whose name begins like this, which keeps its pods to a pod security standard.
    pub(crate) async fn new_namespace(&self, name: &str, standard: &str) -> Result<String> {
        let labels = [
            (RUN_LABEL.to_owned(), self.run.clone()),
            ("pod-security.kubernetes.io/enforce".to_owned(), standard.to_owned()),
        ];
        let namespace = Namespace {
            metadata: ObjectMeta {
                generate_name: Some(format!("{name}-")),
                labels: Some(labels.into()),
                ..Default::default()
            },
            ..Default::default()
        };
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let made = namespaces.create(&PostParams::default(), &namespace).await?;
        made.metadata.name.context("a namespace without a name")
    }

    /// The namespaces that the tests of this run have made, and have not taken away.
    pub async fn left(&self) -> Result<Vec<String>> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let ours = ListParams::default().labels(&format!("{RUN_LABEL}={}", self.run));
        let mut left = namespaces.list(&ours).await?.items;
        left.retain(|namespace| namespace.metadata.deletion_timestamp.is_none());
        Ok(left.iter().map(kube::ResourceExt::name_any).collect())
    }

    /// Takes a namespace away, with all that is in it; does not wait until it is gone.
    pub async fn delete_namespace(&self, name: &str) -> Result<()> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        namespaces.delete(name, &DeleteParams::background()).await?;
        Ok(())
    }
}

/// Looks again and again until `look` sees something. An error of the API server is only told if it was the last thing
/// that was seen.
pub(crate) async fn until<T>(
    what: &str,
    within: Duration,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let mut last = None;
    let seen = eventually(what, within, async || match look().await {
        Ok(Some(seen)) => Some(seen),
        Ok(None) => {
            last = None;
            sleep(PAUSE).await;
            None
        }
        Err(error) => {
            last = Some(error);
            sleep(PAUSE).await;
            None
        }
    })
    .await;
    match last {
        Some(error) => seen.with_context(|| format!("{error:#}")),
        None => seen,
    }
}
