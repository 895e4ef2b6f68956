use std::fmt::Write as _;

use anyhow::Result;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::{
    Api, ResourceExt as _,
    api::{ListParams, LogParams},
};

use crate::{Cluster, pods};

/// Lines of a log that are told.
const LINES: i64 = 15;

impl Cluster {
    /// What does not run in a namespace, with what it said last; and what Kubernetes has warned of.
    pub async fn troubles(&self, namespace: &str) -> Result<String> {
        let mut told = String::new();
        let pods: Api<Pod> = self.api(namespace);
        for pod in pods.list(&ListParams::default()).await? {
            let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or("Unknown");
            if phase == "Succeeded" || pods::is_ready(&pod) {
                continue;
            }
            let name = pod.name_any();
            writeln!(told, "{namespace}/{name} is {phase}")?;
            let last = LogParams { tail_lines: Some(LINES), ..Default::default() };
            if let Ok(log) = pods.logs(&name, &last).await {
                writeln!(told, "{log}")?;
            }
        }
        let events: Api<Event> = self.api(namespace);
        for event in events.list(&ListParams::default().fields("type=Warning")).await? {
            let about = event.involved_object.name.unwrap_or_default();
            writeln!(told, "{namespace}/{about}: {}", event.message.unwrap_or_default())?;
        }
        Ok(told)
    }
}
