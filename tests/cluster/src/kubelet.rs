use std::{collections::BTreeMap, fmt};

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Node;
use kube::{Api, ResourceExt as _, api::ListParams};
use serde::Deserialize;

use crate::Cluster;

/// In bytes.
const MEBIBYTE: u64 = 1 << 20;

/// What the containers of a namespace use, by pod, as the kubelets say.
#[derive(Clone, Debug, Default)]
pub struct Memory(BTreeMap<String, u64>);

#[derive(Deserialize)]
struct Summary {
    pods: Vec<PodStats>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PodStats {
    pod_ref: PodRef,
    #[serde(default)]
    containers: Vec<ContainerStats>,
}

#[derive(Deserialize)]
struct PodRef {
    name: String,
    namespace: String,
}

#[derive(Deserialize)]
struct ContainerStats {
    memory: Option<MemoryStats>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MemoryStats {
    working_set_bytes: Option<u64>,
}

impl Cluster {
    /// What the pods of a namespace use at the moment.
    pub async fn memory(&self, namespace: &str) -> Result<Memory> {
        let nodes: Api<Node> = Api::all(self.client().clone());
        let mut memory = Memory::default();
        for node in nodes.list(&ListParams::default()).await? {
            let path = format!("/api/v1/nodes/{}/proxy/stats/summary", node.name_any());
            let request = http::Request::get(path).body(Vec::new())?;
            let summary: Summary = self.client().request(request).await.context("the kubelet's figures")?;
            for pod in summary.pods.into_iter().filter(|pod| pod.pod_ref.namespace == namespace) {
                let used = pod.containers.iter().filter_map(|container| container.memory.as_ref());
                let used = used.filter_map(|memory| memory.working_set_bytes).sum();
                memory.0.insert(pod.pod_ref.name, used);
            }
        }
        Ok(memory)
    }
}

impl Memory {
    /// Of the pods of these components together, in MiB.
    #[must_use]
    pub fn of(&self, components: &[&str]) -> u64 {
        let is_of = |pod: &str| components.iter().any(|component| pod.starts_with(&format!("{component}-")));
        self.0.iter().filter(|(pod, _)| is_of(pod)).map(|(_, used)| used).sum::<u64>() / MEBIBYTE
    }

    /// Of all together, in MiB.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.0.values().sum::<u64>() / MEBIBYTE
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (pod, used) in &self.0 {
            writeln!(formatter, "{:>5} MiB  {pod}", used / MEBIBYTE)?;
        }
        write!(formatter, "{:>5} MiB", self.all())
    }
}
