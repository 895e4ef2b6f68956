use std::time::Duration;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use kube::{
    Api, ResourceExt as _,
    api::{ListParams, LogParams, ObjectMeta, PostParams},
};
use tokio::time::Instant;

use crate::{Shop, cluster::until};

/// Until everything that happened has had its effects everywhere.
const QUIET: Duration = Duration::from_mins(2);
/// Until a Job has looked at everything.
const LOOK: Duration = Duration::from_mins(2);

impl Shop {
    /// Waits until all is quiet and as it must be, as `verify` says, run as a Job beside the services.
    pub async fn check(&self) -> Result<()> {
        let deadline = Instant::now() + QUIET;
        loop {
            let (is_well, said) = self.verify().await?;
            if is_well {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("after {QUIET:?} verify still says:\n{said}");
            }
        }
    }

    /// What `verify` says now, when nothing is to be under way, and whether it is content.
    async fn verify(&self) -> Result<(bool, String)> {
        let cronjobs: Api<CronJob> = self.cluster().api(self.namespace());
        let template = cronjobs.get("verify").await?.spec.context("an empty CronJob")?.job_template;
        let mut spec = template.spec.context("an empty Job")?;
        spec.backoff_limit = Some(0);
        if let Some(container) = spec.template.spec.as_mut().and_then(|pod| pod.containers.first_mut()) {
            container.args = Some(vec!["--quiet-now".to_owned()]);
        }
        let job = Job {
            metadata: ObjectMeta {
                generate_name: Some("verify-".to_owned()),
                labels: template.metadata.and_then(|metadata| metadata.labels),
                ..Default::default()
            },
            spec: Some(spec),
            ..Default::default()
        };
        let jobs: Api<Job> = self.cluster().api(self.namespace());
        let name = jobs.create(&PostParams::default(), &job).await?.name_any();
        let is_well = until(&format!("{name} has ended"), LOOK, async || {
            let status = jobs.get(&name).await?.status.unwrap_or_default();
            let ended = |count: Option<i32>| count.is_some_and(|count| count > 0);
            Ok((ended(status.succeeded) || ended(status.failed)).then_some(ended(status.succeeded)))
        })
        .await?;
        let of_job = ListParams::default().labels(&format!("batch.kubernetes.io/job-name={name}"));
        let pod = self.pods().list(&of_job).await?.items.pop().context("a Job without a pod")?;
        Ok((is_well, self.pods().logs(&pod.name_any(), &LogParams::default()).await?))
    }
}
