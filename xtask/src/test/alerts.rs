//! Alerts and dashboards: the rules are ones that Prometheus takes, each fires in a test, each leads to a page that says
//! what to do, and each dashboard asks for what can be asked. That services export what they look at is a system test's.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::{
    local,
    process::{self, Interrupt},
    tools::{self, PROMTOOL},
};

use super::{chart, links, steps::Outcome, yaml};

pub(super) fn run(interrupt: &Interrupt) -> Result<Outcome> {
    tools::install(&[PROMTOOL], interrupt)?;
    let rules = files(&chart::folder().join("files/alerts"), "yaml")?;
    let tests = files(&chart::folder().join("tests/alerts"), "yaml")?;
    let dashboards = files(&chart::folder().join("files/dashboards"), "json")?;
    let mut found = Vec::new();
    for (what, files) in [(&["check", "rules", "--lint=all"][..], &rules), (&["test", "rules"], &tests)] {
        let said = process::listen(Command::new(PROMTOOL.program()?).args(what).args(files), interrupt)?;
        if !said.status.success() {
            found.push(said.everything());
        }
    }
    let tested = tests.iter().map(fs::read_to_string).collect::<Result<Vec<_>, _>>()?.join("\n");
    let runbooks = local::checkout().join("docs/RUNBOOKS.md");
    let page =
        fs::read_to_string(&runbooks).with_context(|| format!("cannot read {}", runbooks.display()))?;
    let alerts = alerts(&rules)?;
    for alert in &alerts {
        found.extend(alert.faults(&tested, &page));
    }
    let panels = dashboards.iter().try_fold(0, |sum, file| {
        let text = fs::read_to_string(file)?;
        let dashboard =
            serde_json::from_str(&text).with_context(|| format!("{} is no JSON", file.display()))?;
        let name = file.file_name().unwrap_or_default().display();
        let (panels, faults) = judged(&dashboard);
        found.extend(faults.into_iter().map(|fault| format!("{name}: {fault}")));
        anyhow::Ok(sum + panels)
    })?;
    println!("{} alerts, {} dashboards with {panels} panels", alerts.len(), dashboards.len());
    for line in &found {
        println!("{line}");
    }
    Ok(match found.len() {
        0 => Outcome::Passed,
        faults => Outcome::Failed(format!("{faults} faults")),
    })
}

fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|found| found == extension) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[derive(Debug)]
struct Alert {
    name: String,
    severity: String,
    runbook: String,
}

fn alerts(rules: &[PathBuf]) -> Result<Vec<Alert>> {
    let mut alerts = Vec::new();
    for file in rules {
        for document in yaml::read(file)? {
            let groups = document["groups"].as_array().into_iter().flatten();
            for rule in groups.filter_map(|group| group["rules"].as_array()).flatten() {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                if let Some(name) = rule["alert"].as_str() {
                    alerts.push(Alert {
                        name: name.to_owned(),
                        severity: text(&rule["labels"]["severity"]),
                        runbook: text(&rule["annotations"]["runbook_url"]),
                    });
                }
            }
        }
    }
    Ok(alerts)
}

impl Alert {
    /// What whoever is woken up by it would miss.
    fn faults(&self, tests: &str, runbooks: &str) -> Vec<String> {
        let mut faults = Vec::new();
        let mut fault = |what: &str| faults.push(format!("{}: {what}", self.name));
        if !["page", "ticket"].contains(&self.severity.as_str()) {
            fault("its severity is neither `page` nor `ticket`");
        }
        let anchor = self.runbook.strip_prefix("docs/RUNBOOKS.md#");
        if !anchor.is_some_and(|anchor| links::headings(runbooks).any(|heading| heading == anchor)) {
            fault("its runbook is not in docs/RUNBOOKS.md");
        }
        let named = [
            format!("alertname=\"{}\", severity=\"{}\"", self.name, self.severity),
            format!("alertname: {}", self.name),
        ];
        if !named.iter().any(|named| tests.contains(named)) {
            fault(&format!("no test lets it fire as a {}", self.severity));
        }
        faults
    }
}

/// How many panels a dashboard has, and what is wrong with them.
fn judged(dashboard: &Value) -> (usize, Vec<String>) {
    let mut faults = Vec::new();
    for required in ["uid", "title", "description"] {
        if dashboard[required].as_str().is_none_or(str::is_empty) {
            faults.push(format!("has no {required}"));
        }
    }
    let mut panels = 0;
    for panel in dashboard["panels"].as_array().into_iter().flatten() {
        if panel["type"] == "row" {
            continue;
        }
        panels += 1;
        let title = panel["title"].as_str().unwrap_or("a panel without a title");
        if panel["description"].as_str().is_none_or(str::is_empty) {
            faults.push(format!("{title}: has no description"));
        }
        let expressions: Vec<&str> = panel["targets"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|target| target["expr"].as_str())
            .collect();
        if expressions.is_empty() {
            faults.push(format!("{title}: asks for nothing"));
        }
        for expression in expressions {
            if !expression.contains("namespace=\"$namespace\"") {
                faults.push(format!("{title}: shows every shop: {expression}"));
            }
        }
        if panel["datasource"]["uid"] != "${datasource}" {
            faults.push(format!("{title}: names a data source of its own"));
        }
    }
    (panels, faults)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_alert_needs_a_test_for_its_severity_and_a_page() {
        let alert = |severity: &str, runbook: &str| Alert {
            name: "Late".to_owned(),
            severity: severity.to_owned(),
            runbook: runbook.to_owned(),
        };
        let tests = r#"{alertname="Late", severity="page"}"#;
        let page = "# Runbooks\n## Late\n";
        let good = alert("page", "docs/RUNBOOKS.md#late");
        assert!(good.faults(tests, page).is_empty());
        assert_eq!(
            alert("ticket", "docs/RUNBOOKS.md#late").faults(tests, page).len(),
            1,
            "not tested as a ticket"
        );
        assert_eq!(alert("page", "docs/RUNBOOKS.md#gone").faults(tests, page).len(), 1);
        assert_eq!(alert("critical", "").faults(tests, page).len(), 3);
    }

    #[test]
    fn a_panel_shows_one_shop_and_says_what_it_shows() {
        let panel = |expr: &str| {
            json!({
                "type": "timeseries", "title": "Calls", "description": "All",
                "datasource": { "uid": "${datasource}" }, "targets": [{ "expr": expr }],
            })
        };
        let dashboard =
            |panel: Value| json!({ "uid": "a", "title": "b", "description": "c", "panels": [panel] });
        assert_eq!(judged(&dashboard(panel("up{namespace=\"$namespace\"}"))), (1, vec![]));
        assert_eq!(judged(&dashboard(panel("up"))).1.len(), 1);
        assert_eq!(judged(&json!({ "panels": [{ "type": "timeseries" }] })).1.len(), 6);
    }
}
