use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{DeleteParams, PostParams},
};
use serde_json::json;

use crate::{Shop, cluster::until, pods};

const READY: Duration = Duration::from_mins(1);
/// Who is let in is so at once; packets of who isn't are dropped.
const CONNECT: &str = r#"timeout 6 bash -c '</dev/tcp/$0/$1' "$1" "$2""#;

/// A pod in a shop's namespace that tries to connect.
pub struct Probe {
    pods: Api<Pod>,
    name: String,
}

impl Probe {
    /// Starts one that looks like a pod of this component to network policies; like nobody's if there is none.
    pub async fn start(shop: &Shop, like: Option<&str>) -> Result<Self> {
        let pods: Api<Pod> = shop.cluster().api(shop.namespace());
        let name = format!("probe-{}", like.unwrap_or("stranger"));
        let mut labels = BTreeMap::new();
        if let Some(component) = like {
            labels.extend(shop.pod_labels(component).await?);
        }
        let pod = json!({
            "metadata": { "name": name, "labels": labels },
            "spec": {
                "automountServiceAccountToken": false,
                "terminationGracePeriodSeconds": 0,
                "securityContext": {
                    "runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": { "type": "RuntimeDefault" },
                },
                "containers": [{
                    "name": "probe",
                    "image": shop.image("postgres").await?,
                    "command": ["sleep", "infinity"],
                    // Never one of the pods that calls go to.
                    "readinessProbe": { "exec": { "command": ["false"] } },
                    "securityContext": {
                        "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] },
                    },
                }],
            },
        });
        pods.create(&PostParams::default(), &serde_json::from_value(pod)?).await?;
        until(&format!("{name} runs"), READY, async || {
            let status = pods.get(&name).await?.status;
            Ok(status.is_some_and(|status| status.phase.as_deref() == Some("Running")).then_some(()))
        })
        .await?;
        Ok(Self { pods, name })
    }

    /// Whether somebody accepts its connection there.
    pub async fn reaches(&self, host: &str, port: u16) -> Result<bool> {
        let command = ["bash", "-c", CONNECT, "connect", host, &port.to_string()];
        Ok(pods::exec(&self.pods, &self.name, &command).await?.0)
    }

    /// Takes it away.
    pub async fn end(self) -> Result<()> {
        self.pods.delete(&self.name, &DeleteParams::default()).await?;
        Ok(())
    }
}
