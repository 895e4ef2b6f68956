//! Reading and writing the Secrets of a namespace.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result, bail};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api, Client, Error,
    api::{DeleteParams, ListParams, ObjectMeta, PostParams},
};
use tokio::time::{Instant, sleep};

use crate::{
    plan::{self, Data, Found, Secrets, Step},
    wanted::Wanted,
};

/// Who looks after a Secret.
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
const US: &str = "bookstore-certificates";
const PART_OF: (&str, &str) = ("app.kubernetes.io/part-of", "bookstore");

/// How long a cluster may take to come to itself, or others to stop changing the same Secrets.
const PATIENCE: Duration = Duration::from_secs(45);
const PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The Secrets of one namespace.
#[derive(Clone)]
pub struct Namespace {
    api: Api<Secret>,
    name: String,
}

/// What was done, for people: a line each Secret.
pub type Told = Vec<(String, String)>;

/// Who lost against somebody else starts over; who met a cluster that is coming up waits.
enum Failure {
    Again,
    Passing(Error),
    Final(anyhow::Error),
}

impl Namespace {
    /// A namespace of the cluster.
    #[must_use]
    pub fn new(client: Client, name: &str) -> Self {
        Self { api: Api::namespaced(client, name), name: name.to_owned() }
    }

    /// Makes what is missing and renews what is due. Any number of processes may do so at once.
    ///
    /// # Errors
    /// The cluster refuses, or doesn't answer; or a Secret is in the way.
    pub async fn ensure(&self, wanted: &Wanted, now: SystemTime) -> Result<Told> {
        let deadline = Instant::now() + PATIENCE;
        let mut pause = PAUSE;
        loop {
            let problem = match self.attempt(wanted, now).await {
                Ok(told) => return Ok(told),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Again) => {
                    anyhow::anyhow!("others keep changing the Secrets of {}", self.name)
                }
                Err(Failure::Passing(error)) => self.explained(error),
            };
            if Instant::now() + pause > deadline {
                return Err(problem);
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn attempt(&self, wanted: &Wanted, now: SystemTime) -> Result<Told, Failure> {
        let there = self.read(plan::names(wanted)).await.map_err(|error| self.failure(error))?;
        let steps =
            plan::plan(&found(&there), wanted, now).map_err(|refused| Failure::Final(refused.into()))?;
        let mut told = Told::new();
        for Step { secret: name, kind, data, told: line } in steps {
            if let Some(data) = data {
                let written = match there.get(&name) {
                    Some(secret) => {
                        self.api.replace(&name, &PostParams::default(), &changed(secret, data)).await
                    }
                    None => self.api.create(&PostParams::default(), &made(&name, kind, data)).await,
                };
                written.map_err(|error| self.failure(error))?;
            }
            told.push((name, line));
        }
        Ok(told)
    }

    /// Those that are there, by name.
    async fn read(&self, names: Vec<String>) -> Result<BTreeMap<String, Secret>, Error> {
        let mut there = BTreeMap::new();
        for name in names {
            let secret = self.api.get_opt(&name).await?;
            there.extend(secret.map(|secret| (name, secret)));
        }
        Ok(there)
    }

    /// The Secrets that are there, of these names.
    ///
    /// # Errors
    /// The cluster refuses, or doesn't answer.
    pub async fn find(&self, names: Vec<String>) -> Result<Secrets> {
        let there = self.read(names).await.map_err(|error| self.explained(error))?;
        Ok(found(&there))
    }

    /// Deletes every Secret that this program has made here; answers with their names.
    ///
    /// # Errors
    /// The cluster refuses, or doesn't answer.
    pub async fn remove(&self) -> Result<Vec<String>> {
        let ours = ListParams::default().labels(&format!("{MANAGED_BY}={US}"));
        let secrets = self.api.list_metadata(&ours).await.map_err(|error| self.explained(error))?;
        let mut removed = Vec::new();
        for name in secrets.items.into_iter().filter_map(|secret| secret.metadata.name) {
            match self.api.delete(&name, &DeleteParams::default()).await {
                Err(Error::Api(status)) if status.is_not_found() => {}
                outcome => drop(outcome.map_err(|error| self.explained(error))?),
            }
            removed.push(name);
        }
        Ok(removed)
    }

    fn failure(&self, error: Error) -> Failure {
        match error {
            // Replaced meanwhile; made meanwhile; deleted meanwhile.
            Error::Api(status)
                if status.is_conflict() || status.is_already_exists() || status.is_not_found() =>
            {
                if status.message.contains("namespaces") {
                    return Failure::Final(self.explained(Error::Api(status)));
                }
                Failure::Again
            }
            Error::Api(status) if status.code == 429 || status.code >= 500 => {
                Failure::Passing(Error::Api(status))
            }
            Error::Api(status) => Failure::Final(self.explained(Error::Api(status))),
            error @ (Error::HyperError(_) | Error::Service(_) | Error::ReadEvents(_)) => {
                Failure::Passing(error)
            }
            error => Failure::Final(self.explained(error)),
        }
    }

    fn explained(&self, error: Error) -> anyhow::Error {
        let is_forbidden = matches!(&error, Error::Api(status) if status.is_forbidden());
        let what = if is_forbidden {
            format!(
                "the service account lacks a right in {}: its Role must allow to create Secrets, to get and update \
                 those that are named on the command line, and for `remove` to list and delete them",
                self.name
            )
        } else {
            format!("cannot work on the Secrets of {}", self.name)
        };
        anyhow::Error::new(error).context(what)
    }
}

impl From<&Secret> for Found {
    fn from(secret: &Secret) -> Self {
        let data = secret.data.iter().flatten().map(|(key, value)| (key.clone(), value.0.clone()));
        let labels = secret.metadata.labels.as_ref();
        let is_ours = labels.is_some_and(|labels| labels.get(MANAGED_BY).is_some_and(|by| by == US));
        Self { data: data.collect(), is_ours }
    }
}

fn found(there: &BTreeMap<String, Secret>) -> Secrets {
    there.iter().map(|(name, secret)| (name.clone(), Found::from(secret))).collect()
}

fn made(name: &str, kind: &str, data: Data) -> Secret {
    let labels = [(MANAGED_BY, US), PART_OF].map(|(name, value)| (name.to_owned(), value.to_owned()));
    Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(labels.into()),
            ..ObjectMeta::default()
        },
        type_: Some(kind.to_owned()),
        data: Some(bytes(data)),
        ..Secret::default()
    }
}

/// With the version that was read: somebody else's change meanwhile is no longer lost, but a conflict.
fn changed(secret: &Secret, data: Data) -> Secret {
    Secret { data: Some(bytes(data)), ..secret.clone() }
}

fn bytes(data: Data) -> BTreeMap<String, ByteString> {
    data.into_iter().map(|(key, value)| (key, ByteString(value))).collect()
}

/// The cluster that this process is in, or that the kubeconfig names; and the namespace there.
///
/// # Errors
/// Neither is there.
pub async fn connect(namespace: Option<&str>) -> Result<(Client, String)> {
    let config = kube::Config::infer().await.context(
        "no cluster: neither a pod's service account (automountServiceAccountToken) nor a kubeconfig",
    )?;
    let namespace = namespace.unwrap_or(&config.default_namespace).to_owned();
    if namespace.is_empty() {
        bail!("which namespace? --namespace says it");
    }
    Ok((Client::try_from(config)?, namespace))
}
