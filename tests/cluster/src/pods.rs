use std::time::Duration;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::{Pod, PodCondition};
use kube::{
    Api,
    api::{AttachParams, ListParams},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream},
    time::timeout,
};

/// How long a page of a pod may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The pods of a component, by name; without those that are told to go.
pub(crate) async fn of(pods: &Api<Pod>, component: &str) -> Result<Vec<Pod>> {
    let mut found = labelled(pods, component).await?;
    found.retain(|pod| pod.metadata.deletion_timestamp.is_none());
    found.sort_by_key(kube::ResourceExt::name_any);
    Ok(found)
}

/// The same, with those that are told to go.
pub(crate) async fn labelled(pods: &Api<Pod>, component: &str) -> Result<Vec<Pod>> {
    let selector = ListParams::default().labels(&format!("app.kubernetes.io/name={component}"));
    Ok(pods.list(&selector).await?.items)
}

/// The names of those that take calls.
pub(crate) async fn ready(pods: &Api<Pod>, component: &str) -> Result<Vec<String>> {
    Ok(of(pods, component)
        .await?
        .iter()
        .filter(|pod| is_ready(pod))
        .map(kube::ResourceExt::name_any)
        .collect())
}

pub(crate) fn is_ready(pod: &Pod) -> bool {
    let is_true = |condition: &PodCondition| condition.type_ == "Ready" && condition.status == "True";
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.is_some_and(|conditions| conditions.iter().any(is_true))
}

/// A connection to a port of a pod, through the API server.
pub(crate) async fn connect(pods: &Api<Pod>, pod: &str, port: u16) -> Result<DuplexStream> {
    let mut forwarder = pods.portforward(pod, &[port]).await.with_context(|| format!("{pod}:{port}"))?;
    forwarder.take_stream(port).context("no stream")
}

/// What a pod answers to a GET.
pub(crate) async fn page(pods: &Api<Pod>, pod: &str, port: u16, path: &str) -> Result<String> {
    let exchange = async {
        let mut stream = connect(pods, pod, port).await?;
        // Of HTTP 1.0, so that what is answered comes in one piece.
        stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {pod}\r\n\r\n").as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        let answer = String::from_utf8(answer)?;
        match answer.split_once("\r\n\r\n") {
            Some((head, body)) if head.split(' ').nth(1) == Some("200") => Ok(body.to_owned()),
            _ => bail!("{pod}:{port}{path} answers {answer:?}"),
        }
    };
    timeout(PATIENCE, exchange).await.with_context(|| format!("{pod}:{port}{path}"))?
}

/// What a command in a pod writes, and whether it ended well.
pub(crate) async fn exec(pods: &Api<Pod>, pod: &str, command: &[&str]) -> Result<(bool, String)> {
    let options = AttachParams::default().stdin(false);
    let mut process = pods.exec(pod, command.iter().copied(), &options).await?;
    let status = process.take_status().context("no status")?;
    let (mut output, mut errors) = (String::new(), String::new());
    let (mut stdout, mut stderr) =
        (process.stdout().context("no output")?, process.stderr().context("no errors")?);
    tokio::try_join!(stdout.read_to_string(&mut output), stderr.read_to_string(&mut errors))?;
    let is_well = status.await.is_some_and(|status| status.status.as_deref() == Some("Success"));
    Ok((is_well, output + &errors))
}
