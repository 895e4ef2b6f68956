//! What operators look at: each metric that an alert or a dashboard names is one that a service tells.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use proto::order::v1::OrderState;
use serde_json::Value;
use system_tests::{Service, Shop};
use testkit::eventually;

/// What metrics of this shop begin with.
const OURS: [&str; 5] = ["bookstore_", "mesh_", "rpc_", "db_", "process_"];

/// What is told only once there is trouble, and the name under which a program makes it.
const IN_TROUBLE: [(&str, &str); 9] = [
    ("bookstore_outbox_lost_total", "bookstore.outbox.lost"),
    ("bookstore_outbox_refused_total", "bookstore.outbox.refused"),
    ("bookstore_server_calls_shed_total", "bookstore.server.calls.shed"),
    ("bookstore_server_handshakes_failed_total", "bookstore.server.handshakes.failed"),
    ("mesh_client_breakers_open", "mesh.client.breakers_open"),
    ("mesh_client_discovery_failing", "mesh.client.discovery.failing"),
    ("mesh_client_endpoints_ejected", "mesh.client.endpoints_ejected"),
    ("mesh_client_retries_total", "mesh.client.retries"),
    ("mesh_client_retry_budget_exhausted_total", "mesh.client.retry_budget_exhausted"),
];

/// Until a shop at work has told all of it: some of it is looked up now and then only.
const PATIENCE: Duration = Duration::from_mins(2);

#[tokio::test]
async fn what_alerts_and_dashboards_look_at_is_told() -> Result<()> {
    let looked_at = looked_at()?;
    ensure!(looked_at.len() > 20, "only {} metrics are looked at: {looked_at:?}", looked_at.len());
    for (metric, made_as) in IN_TROUBLE {
        assert!(looked_at.contains_key(metric), "nobody looks at {metric}");
        assert!(is_made(made_as)?, "no program makes {made_as}");
    }

    let shop = Shop::start().await?;
    let book = shop.seller().await?.add_book(1_000, 5).await?;
    let customer = shop.customer(1_000).await?;
    let placed = customer.place(&book, 1).await?;
    assert_eq!(customer.ended(&placed.order_id).await?.state(), OrderState::Confirmed);

    let mut missing: BTreeMap<&str, &BTreeSet<String>> =
        looked_at.iter().map(|(metric, by)| (metric.as_str(), by)).collect();
    missing.retain(|metric, _| IN_TROUBLE.iter().all(|(in_trouble, _)| in_trouble != metric));
    let told = eventually("all of it is told", PATIENCE, async || {
        for service in Service::ALL {
            let told = shop.metrics(service).await.ok()?;
            let told: BTreeSet<&str> = told.lines().filter_map(series).collect();
            missing.retain(|metric, _| !told.contains(metric));
        }
        missing.is_empty().then_some(())
    })
    .await;
    told.with_context(|| format!("no service tells {missing:?}"))
}

/// The name in a line of `/metrics`.
fn series(line: &str) -> Option<&str> {
    if line.starts_with('#') { None } else { line.split(['{', ' ']).next() }
}

/// The metrics that alerts and dashboards name, and the files that do.
fn looked_at() -> Result<BTreeMap<String, BTreeSet<String>>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for folder in ["deploy/helm/bookstore/files/alerts", "deploy/helm/bookstore/files/dashboards"] {
        for file in files(&checkout().join(folder), &["yaml", "json"])? {
            let text = fs::read_to_string(&file)?;
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let expressions = if file.extension().is_some_and(|kind| kind == "json") {
                expressions(&serde_json::from_str(&text).with_context(|| name.clone())?)
            } else {
                text
            };
            for metric in metrics(&expressions) {
                found.entry(metric).or_default().insert(name.clone());
            }
        }
    }
    Ok(found)
}

/// What the panels of a dashboard ask for.
fn expressions(dashboard: &Value) -> String {
    match dashboard {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| match value.as_str() {
                Some(expression) if name == "expr" => format!("{expression}\n"),
                _ => expressions(value),
            })
            .collect(),
        Value::Array(items) => items.iter().map(expressions).collect(),
        _ => String::new(),
    }
}

/// The names of metrics in expressions: words of ours that are no labels, which stand in braces or behind `by`.
fn metrics(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut word = String::new();
    let (mut in_braces, mut in_labels) = (false, false);
    let mut before = String::new();
    for letter in text.chars().chain(['\n']) {
        if letter.is_ascii_alphanumeric() || letter == '_' || letter == ':' {
            word.push(letter);
            continue;
        }
        if !word.is_empty() {
            let is_ours = OURS.iter().any(|prefix| word.starts_with(prefix)) && !word.contains(':');
            if is_ours && !in_braces && !in_labels {
                found.insert(word.clone());
            }
            before = std::mem::take(&mut word);
        }
        match letter {
            '{' => in_braces = true,
            '}' => in_braces = false,
            '(' if ["by", "on", "without", "ignoring"].contains(&before.as_str()) => in_labels = true,
            ')' => in_labels = false,
            ' ' => {}
            _ => before.clear(),
        }
    }
    found
}

/// Whether a program makes a metric of this name.
fn is_made(name: &str) -> Result<bool> {
    let quoted = format!("\"{name}\"");
    for folder in ["crates", "services"] {
        for file in files(&checkout().join(folder), &["rs"])? {
            if fs::read_to_string(&file)?.contains(&quoted) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The files of these kinds in a folder and in those below it.
fn files(folder: &Path, kinds: &[&str]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path, kinds)?);
        } else if path.extension().is_some_and(|kind| kinds.iter().any(|wanted| kind == *wanted)) {
            found.push(path);
        }
    }
    Ok(found)
}

#[test]
fn labels_are_no_metrics() {
    let text = r#"sum by (rpc_method, namespace) (rate(rpc_server_duration_seconds_count{rpc_status="1"}[5m])) / mesh_x"#;
    let expected = ["mesh_x", "rpc_server_duration_seconds_count"].map(str::to_owned);
    assert_eq!(metrics(text), BTreeSet::from(expected));
}
