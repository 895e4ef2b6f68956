//! The chart: what it renders, for each of its profiles, is what Kubernetes takes, and is safe.
//!
//! Exceptions stand in `deploy/helm/checks/`, each with its reason.

mod profiles;
mod schemas;
mod values;

use std::{fs, path::PathBuf, process::Command, thread};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::{
    local,
    process::{self, Interrupt, Interrupted},
    tools::{self, CHECKOV, HELM, HELM_DOCS, HELM_UNITTEST, KUBE_SCORE, KUBECONFORM, KUBERNETES_VALIDATE},
};

use super::{counts::Counts, steps::Outcome};

pub(super) use profiles::folder;

use profiles::{Profile, Rendered};

/// What is to be mended, if anything.
type Found = Result<Vec<String>>;

pub(super) fn run(counts: &mut Counts, interrupt: &Interrupt) -> Result<Outcome> {
    let tools = [HELM, KUBECONFORM, KUBE_SCORE, HELM_UNITTEST, HELM_DOCS, CHECKOV, KUBERNETES_VALIDATE];
    tools::install(&tools, interrupt)?;
    let schemas = schemas::prepare()?;
    let profiles = profiles::all()?;
    let rendered = Rendered::of(&profiles, interrupt)?;
    println!("{} profiles, {} objects", profiles.len(), rendered.objects()?);

    // Each of these takes as long as all others together.
    let mut found = Vec::new();
    thread::scope(|scope| -> Result<()> {
        let checkov = scope.spawn(|| checkov(&rendered, interrupt));
        let unit_tests = scope.spawn(|| unit_tests(counts, interrupt));
        let checks: [(&str, &dyn Fn() -> Found); 6] = [
            ("helm lint", &|| lint(&profiles, interrupt)),
            ("values.schema.json", &|| values::undescribed()),
            ("typos", &|| values::accepted_typos(interrupt)),
            ("kubeconform", &|| kubeconform(&rendered, &schemas, interrupt)),
            ("kube-score", &|| kube_score(&rendered, interrupt)),
            ("helm-docs", &|| docs(interrupt)),
        ];
        for (name, check) in checks {
            found.extend(told(name, check())?);
        }
        for (name, check) in [("checkov", checkov), ("helm-unittest", unit_tests)] {
            found.extend(told(name, check.join().unwrap_or_else(|_| bail!("the check itself failed")))?);
        }
        Ok(())
    })?;
    Ok(if found.is_empty() { Outcome::Passed } else { Outcome::Failed(found.join(", ")) })
}

/// Says what a check has found; answers with its name if that is anything. The others go on after one that can't be made.
fn told(name: &str, found: Found) -> Result<Option<String>> {
    let found = match found {
        Err(error) if error.is::<Interrupted>() => return Err(error),
        Err(error) => vec![format!("{error:#}")],
        Ok(found) => found,
    };
    if found.is_empty() {
        println!("{name}: ok");
        return Ok(None);
    }
    println!("{name}:");
    for line in &found {
        println!("  {}", line.replace('\n', "\n  "));
    }
    Ok(Some(format!("{name} ({})", found.len())))
}

fn lint(profiles: &[Profile], interrupt: &Interrupt) -> Found {
    let mut found = Vec::new();
    for profile in profiles {
        let mut helm = Command::new(HELM.program()?);
        helm.arg("lint").arg("--strict").arg(folder()).args(profile.values());
        let said = process::listen(&mut helm, interrupt)?;
        if !said.status.success() {
            found.push(format!("{profile}: {}", said.everything()));
        }
    }
    Ok(found)
}

fn kubeconform(rendered: &Rendered, schemas: &schemas::Schemas, interrupt: &Interrupt) -> Found {
    let mut found = Vec::new();
    for release in schemas::KUBERNETES {
        let mut kubeconform = Command::new(KUBECONFORM.program()?);
        kubeconform.args(["-strict", "-summary", "-output", "json"]).args(schemas.locations(release));
        let said = process::listen(kubeconform.arg(rendered.folder()), interrupt)?;
        let told: Value = serde_json::from_str(&said.output).with_context(|| said.everything())?;
        for wrong in told["resources"].as_array().into_iter().flatten() {
            found.push(format!("Kubernetes {release}: {wrong}"));
        }
        // An object of a kind that has no schema is an error there, too: nothing goes unchecked.
        let valid = told["summary"]["valid"].as_u64().unwrap_or_default();
        let objects = rendered.objects()? as u64;
        if valid != objects && found.is_empty() {
            found.push(format!(
                "Kubernetes {release}: {valid} of {objects} objects were looked at: {}",
                told["summary"]
            ));
        }
    }
    Ok(found)
}

/// Where exceptions from the checks stand.
fn exceptions() -> PathBuf {
    local::checkout().join("deploy/helm/checks")
}

/// An exception: a check that is not made, or not of objects of one name.
#[derive(Debug)]
struct Exception {
    check: String,
    object: Option<String>,
}

impl Exception {
    /// Whether it is for a check of an object; jobs have something behind their names.
    fn covers(&self, check: &str, object: &str) -> bool {
        let is_object = |wanted: &str| {
            object.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        self.check == check && self.object.as_deref().is_none_or(is_object)
    }
}

/// The exceptions in a file of lines like `deployment-strategy jaeger  # why not`.
fn excepted(file: &str) -> Result<Vec<Exception>> {
    let path = exceptions().join(file);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut exceptions = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (exception, reason) = line.split_once('#').unwrap_or((line, ""));
        ensure!(!reason.trim().is_empty(), "{file}: {line} has no reason");
        let mut words = exception.split_whitespace().map(str::to_owned);
        let check = words.next().with_context(|| format!("{file}: {line} names no check"))?;
        exceptions.push(Exception { check, object: words.next() });
    }
    Ok(exceptions)
}

/// What kube-score calls good.
const GOOD: u64 = 10;

fn kube_score(rendered: &Rendered, interrupt: &Interrupt) -> Found {
    let excepted = excepted("kube-score.txt")?;
    let mut used = vec![false; excepted.len()];
    let mut found = Vec::new();
    for file in rendered.files() {
        let mut score = Command::new(KUBE_SCORE.program()?);
        score.args(["score", "--output-format", "json", "--kubernetes-version", "v1.34"]);
        let said = process::listen(score.arg(file), interrupt)?;
        let profile = file.file_stem().unwrap_or_default().display();
        let Ok(Value::Array(objects)) = serde_json::from_str(&said.output) else {
            found.push(format!("{profile}: {}", said.everything()));
            continue;
        };
        for object in &objects {
            let name = text(&object["object_meta"]["name"]);
            for judged in object["checks"].as_array().into_iter().flatten() {
                if judged["skipped"] == true || judged["grade"].as_u64() >= Some(GOOD) {
                    continue;
                }
                let check = text(&judged["check"]["id"]);
                if let Some(exception) = excepted.iter().position(|exception| exception.covers(check, name)) {
                    used[exception] = true;
                } else {
                    let why = text(&judged["comments"][0]["summary"]);
                    found.push(format!("{profile}: {name}: {check}: {why}"));
                }
            }
        }
    }
    let unused = excepted.iter().zip(used).filter(|(_, used)| !used);
    found.extend(unused.map(|(exception, _)| format!("nothing needs the exception {exception:?}")));
    Ok(found)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn checkov(rendered: &Rendered, interrupt: &Interrupt) -> Found {
    let mut checkov = Command::new(CHECKOV.program()?);
    checkov.args(["--framework", "kubernetes", "--compact", "--skip-download", "--output", "json"]);
    checkov.arg("--directory").arg(rendered.folder()).env("LOG_LEVEL", "ERROR");
    let excepted = excepted("checkov.txt")?;
    let said = process::listen(&mut checkov, interrupt)?;
    let told: Value = serde_json::from_str(&said.output).with_context(|| said.everything())?;
    let summary = &told["summary"];
    // It passes over what it can't read, and is content with nothing.
    ensure!(
        summary["passed"].as_u64().is_some_and(|passed| passed > 0) && summary["parsing_errors"] == 0,
        "it has not looked at what was rendered: {summary}"
    );
    let mut found = Vec::new();
    for failed in told["results"]["failed_checks"].as_array().into_iter().flatten() {
        let (check, object) = (text(&failed["check_id"]), text(&failed["resource"]));
        // `Deployment.default.order`, and more behind it where a part of it failed.
        let name = object.split('.').nth(2).unwrap_or(object);
        if !excepted.iter().any(|exception| exception.covers(check, name)) {
            let file = text(&failed["file_path"]).trim_start_matches('/').trim_end_matches(".yaml");
            found.push(format!("{file}: {check} {}: {object}", text(&failed["check_name"])));
        }
    }
    Ok(found)
}

/// The chart's README is what helm-docs makes of its values.
fn docs(interrupt: &Interrupt) -> Found {
    let mut docs = Command::new(HELM_DOCS.program()?);
    docs.arg("--chart-search-root").arg(folder()).args(["--dry-run", "--log-level", "warning"]);
    let said = process::listen(&mut docs, interrupt)?;
    ensure!(said.status.success(), "{}", said.everything());
    let there = fs::read_to_string(folder().join("README.md")).unwrap_or_default();
    Ok(if there.trim() == said.output.trim() {
        Vec::new()
    } else {
        let program = HELM_DOCS.program()?;
        let how = format!("{} --chart-search-root deploy/helm", local::short(&program));
        vec![format!("deploy/helm/bookstore/README.md is not of these values: run `{how}`")]
    })
}

/// The chart's own tests; each case counts as a test.
fn unit_tests(counts: &mut Counts, interrupt: &Interrupt) -> Found {
    let mut unittest = Command::new(HELM_UNITTEST.program()?);
    unittest.args(["--strict", "--file", "tests/*_test.yaml"]).arg(folder());
    let said = process::listen(&mut unittest, interrupt)?;
    let tests = counts.read_suites(&said.output);
    Ok(if said.status.success() && tests > 0 { Vec::new() } else { vec![said.everything()] })
}
