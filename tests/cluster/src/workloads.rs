use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result};
use futures::future::try_join_all;
use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    core::v1::Pod,
};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::json;

use crate::{Shop, cluster::until, pods};

/// Where a service tells of itself.
const ADMIN: u16 = 51051;
/// A service's calls, by method.
const CALLS: &str = "rpc_server_duration_seconds_count";
/// So many calls are no chance.
const NOTABLE: f64 = 30.0;
/// What is a `StatefulSet`, since it keeps something.
const KEPT: [&str; 2] = ["postgres", "nats"];

impl Shop {
    /// Replaces a service's pods one after the other, as `kubectl rollout restart` does, and waits until all that take
    /// calls are new; answers with the old ones, which may still be about to go.
    pub async fn restart(&self, service: &str) -> Result<Vec<Pod>> {
        let deployments: Api<Deployment> = self.cluster().api(self.namespace());
        let before = pods::of(&self.pods(), service).await?;
        let time = format!("{:?}", std::time::Instant::now());
        let template = json!({ "metadata": { "annotations": { "bookstore.test/restarted": time } } });
        let patch = json!({ "spec": { "template": template } });
        deployments.patch(service, &PatchParams::default(), &Patch::Merge(&patch)).await?;
        self.rolled_out(service, Duration::from_mins(3)).await?;
        Ok(before)
    }

    /// Gives services so many pods; does not wait for them.
    pub async fn scale(&self, services: &[&str], replicas: u32) -> Result<()> {
        let deployments: Api<Deployment> = self.cluster().api(self.namespace());
        let patch = Patch::Merge(json!({ "spec": { "replicas": replicas } }));
        try_join_all(services.iter().map(async |service| {
            deployments.patch_scale(service, &PatchParams::default(), &patch).await.map(drop)
        }))
        .await?;
        Ok(())
    }

    /// Waits until a component's pods are all of its newest kind, and ready.
    pub async fn rolled_out(&self, component: &str, within: Duration) -> Result<()> {
        let what = format!("{component} is rolled out");
        if KEPT.contains(&component) {
            let sets: Api<StatefulSet> = self.cluster().api(self.namespace());
            let is_ready = async || Ok(is_set_ready(&sets.get(component).await?).then_some(()));
            return until(&what, within, is_ready).await;
        }
        let deployments: Api<Deployment> = self.cluster().api(self.namespace());
        let is_ready = async || Ok(is_deployed(&deployments.get(component).await?).then_some(()));
        until(&what, within, is_ready).await
    }

    /// The pods of a component that are to stay.
    pub async fn pods_of(&self, component: &str) -> Result<Vec<Pod>> {
        pods::of(&self.pods(), component).await
    }

    /// Deletes the pod of a component that has one, and waits until another one is ready in its place.
    pub async fn replace(&self, component: &str) -> Result<()> {
        for pod in self.pods_of(component).await? {
            self.pods().delete(&pod.name_any(), &DeleteParams::default()).await?;
            self.gone(&pod).await?;
        }
        self.rolled_out(component, Duration::from_mins(3)).await
    }

    /// Waits until a pod has gone.
    pub async fn gone(&self, pod: &Pod) -> Result<()> {
        let pods = self.pods();
        until(&format!("{} has gone", pod.name_any()), Duration::from_mins(2), async || {
            let now = pods.get_opt(&pod.name_any()).await?;
            Ok(now.is_none_or(|now| now.uid() != pod.uid()).then_some(()))
        })
        .await
    }

    /// Waits until a pod that was killed runs another container, and takes calls again.
    pub async fn restarted(&self, killed: &Pod) -> Result<()> {
        let (pods, before) = (self.pods(), restarts(killed));
        until(&format!("{} is ready again", killed.name_any()), Duration::from_mins(2), async || {
            let pod = pods.get(&killed.name_any()).await?;
            Ok((restarts(&pod) > before && pods::is_ready(&pod)).then_some(()))
        })
        .await
    }

    /// Waits until a pod is called: those who call have found it again.
    pub async fn called(&self, service: &str, pod: &Pod) -> Result<()> {
        let name = pod.name_any();
        let before = self.calls(service).await?.get(&name).copied().unwrap_or_default();
        until(&format!("{name} is called"), Duration::from_mins(1), async || {
            Ok(self.calls(service).await?.get(&name).filter(|now| **now >= before + NOTABLE).map(drop))
        })
        .await
    }

    /// How many calls each ready pod of a service has answered since it started.
    pub async fn calls(&self, service: &str) -> Result<BTreeMap<String, f64>> {
        let pods = self.pods();
        let ready = pods::ready(&pods, service).await?;
        let read = ready.into_iter().map(async |pod| {
            let page = pods::page(&pods, &pod, ADMIN, "/metrics").await?;
            anyhow::Ok((pod, calls(&page)?))
        });
        Ok(try_join_all(read).await?.into_iter().collect())
    }
}

/// Of all methods together, but not what asks after health.
fn calls(metrics: &str) -> Result<f64> {
    let mut sum = 0.0;
    for line in metrics.lines().filter(|line| line.starts_with(CALLS) && !line.contains("grpc.health")) {
        let (_, value) = line.rsplit_once(' ').context("a metric without a value")?;
        sum += value.parse::<f64>()?;
    }
    Ok(sum)
}

fn restarts(pod: &Pod) -> i32 {
    let containers = pod.status.iter().filter_map(|status| status.container_statuses.as_ref()).flatten();
    containers.map(|container| container.restart_count).sum()
}

fn is_deployed(deployment: &Deployment) -> bool {
    let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    deployment.status.as_ref().is_some_and(|status| {
        status.observed_generation >= deployment.metadata.generation
            && [status.replicas, status.updated_replicas, status.available_replicas] == [Some(wanted); 3]
    })
}

fn is_set_ready(set: &StatefulSet) -> bool {
    let wanted = set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    set.status.as_ref().is_some_and(|status| {
        status.observed_generation >= set.metadata.generation
            && status.update_revision == status.current_revision
            && status.ready_replicas == Some(wanted)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_all_methods_are_added_up() {
        let metrics = "# TYPE rpc_server_duration_seconds histogram\n\
                       rpc_server_duration_seconds_count{rpc_method=\"GetUser\"} 3\n\
                       rpc_server_duration_seconds_sum{rpc_method=\"GetUser\"} 0.5\n\
                       rpc_server_duration_seconds_count{rpc_method=\"ListCards\"} 4\n\
                       rpc_server_duration_seconds_count{rpc_service=\"grpc.health.v1.Health\"} 9\n";
        assert!((calls(metrics).unwrap() - 7.0).abs() < 0.01);
    }

    #[test]
    fn a_deployment_is_rolled_out_when_the_last_old_pod_has_left() {
        let deployment = |replicas| {
            let status = json!({
                "observedGeneration": 2, "replicas": replicas, "updatedReplicas": 2, "availableReplicas": 2,
            });
            let spec = json!({ "replicas": 2, "selector": {}, "template": {} });
            serde_json::from_value(json!({ "metadata": { "generation": 2 }, "spec": spec, "status": status }))
        };
        assert!(is_deployed(&deployment(2).unwrap()));
        assert!(!is_deployed(&deployment(3).unwrap()));
    }
}
