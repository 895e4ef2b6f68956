use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt as _, api::PostParams};
use serde_json::json;

use crate::{Shop, cluster::until, pods};

const READY: Duration = Duration::from_mins(1);
const NAME: &str = "executioner";
/// Kills what runs in the pod whose uid comes with it. Cgroups are named by it, with hyphens or underscores.
const KILL: &str = r#"
killed=1
for process in /proc/[0-9]*; do
  if grep -qs -e "$1" -e "${1//-/_}" "$process/cgroup" && [[ $(<"$process/comm") != pause ]]; then
    kill -KILL "${process#/proc/}" && killed=0
  fi
done 2>/dev/null
exit "$killed""#;

/// A pod that sees the processes of its node, and can end those of others without a warning: to delete a pod is no
/// SIGKILL, not even at once.
pub struct Executioner {
    pods: Api<Pod>,
    namespace: String,
}

impl Executioner {
    /// Starts one for the pods of a shop, in a namespace of its own: the shop's allows nothing of the kind.
    pub async fn of(shop: &Shop) -> Result<Self> {
        let cluster = shop.cluster();
        let namespace = cluster.new_namespace("bookstore-test-executioner", "privileged").await?;
        let pods: Api<Pod> = cluster.api(&namespace);
        let pod = json!({
            "metadata": { "name": NAME },
            "spec": {
                "hostPID": true,
                "terminationGracePeriodSeconds": 0,
                "containers": [{
                    "name": NAME,
                    // Any image with a shell.
                    "image": shop.image("postgres").await?,
                    "command": ["sleep", "infinity"],
                    "securityContext": { "runAsUser": 0, "privileged": true },
                }],
            },
        });
        pods.create(&PostParams::default(), &serde_json::from_value(pod)?).await?;
        let is_ready = async || Ok(pods::is_ready(&pods.get(NAME).await?).then_some(()));
        until("the executioner is ready", READY, is_ready).await?;
        Ok(Self { pods, namespace })
    }

    /// Ends the processes of a pod by SIGKILL.
    pub async fn kill(&self, pod: &Pod) -> Result<()> {
        let uid = pod.uid().context("a pod without uid")?;
        let (killed, said) = pods::exec(&self.pods, NAME, &["bash", "-c", KILL, "kill", &uid]).await?;
        ensure!(killed, "nothing of {} was killed: {said}", pod.name_any());
        Ok(())
    }

    /// Takes it away.
    pub async fn dismiss(self, shop: &Shop) -> Result<()> {
        shop.cluster().delete_namespace(&self.namespace).await
    }
}
