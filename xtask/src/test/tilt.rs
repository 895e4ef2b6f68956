//! The Tiltfile, evaluated with stand-ins for what Tilt has built in, which only note how they are called: what it
//! declares must fit the chart that it installs.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::{
    local,
    process::{self, Interrupt},
    tools::{self, HELM, STARLARK},
};

use super::{chart, steps::Outcome, yaml};

/// What stands in for Tilt.
const STAND_INS: &str = include_str!("tilt/stand_ins.star");
/// The extensions that the Tiltfile loads, by their names.
const EXTENSIONS: [(&str, &str); 2] = [
    ("restart_process", include_str!("tilt/restart_process.star")),
    ("uibutton", include_str!("tilt/uibutton.star")),
];
/// How the stand-ins begin a line that tells of a call.
const CALL: &str = "CALL ";

pub(super) fn run(interrupt: &Interrupt) -> Result<Outcome> {
    tools::install(&[STARLARK, HELM], interrupt)?;
    let tiltfile = fs::read_to_string(local::checkout().join("Tiltfile"))?;
    let calls = Calls::of(&tiltfile, interrupt)?;
    let objects = calls.installed(interrupt)?;
    let faults = calls.faults(&objects);
    println!("{} calls of Tilt, {} objects of the chart", calls.0.len(), objects.len());
    for fault in &faults {
        println!("{fault}");
    }
    Ok(if faults.is_empty() { Outcome::Passed } else { Outcome::Failed(faults.join(", ")) })
}

/// The calls of what is built in, in their order: its name, and its arguments by name.
#[derive(Debug)]
struct Calls(Vec<(String, Value)>);

impl Calls {
    fn of(tiltfile: &str, interrupt: &Interrupt) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        // What `load('ext://NAME', …)` means to a program that knows files only.
        let extensions = folder.path().join("ext:");
        fs::create_dir(&extensions)?;
        for (name, text) in EXTENSIONS {
            fs::write(extensions.join(name), text)?;
        }
        let lines = STAND_INS.lines().count();
        fs::write(folder.path().join("Tiltfile"), format!("{STAND_INS}\n{tiltfile}"))?;
        let mut starlark = Command::new(STARLARK.program()?);
        starlark.args(["-globalreassign", "-recursion", "Tiltfile"]).current_dir(folder.path());
        let said = process::listen(&mut starlark, interrupt)?;
        ensure!(
            said.status.success(),
            "the Tiltfile (whose first line is line {} here) fails:\n{}",
            lines + 2,
            said.errors
        );
        let mut calls = Vec::new();
        for line in said.errors.lines().filter_map(|line| line.strip_prefix(CALL)) {
            let (name, arguments) = line.split_once(' ').context("a call without arguments")?;
            calls.push((name.to_owned(), serde_json::from_str(arguments)?));
        }
        Ok(Self(calls))
    }

    fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Value> {
        self.0.iter().filter(move |(called, _)| called == name).map(|(_, arguments)| arguments)
    }

    /// The objects of the chart, installed as the Tiltfile does.
    fn installed(&self, interrupt: &Interrupt) -> Result<Vec<Value>> {
        let called: Vec<&Value> = self.named("helm").collect();
        let [helm] = called[..] else { bail!("the Tiltfile renders {} charts", called.len()) };
        let chart = local::checkout().join(helm["pathToDir"].as_str().unwrap_or_default());
        ensure!(chart == chart::folder(), "the Tiltfile renders {}", chart.display());
        let mut command = Command::new(HELM.program()?);
        command.arg("template").arg(text(&helm["name"])).arg(&chart);
        command.args(["--namespace", text(&helm["namespace"])]);
        for file in list(&helm["values"]) {
            command.arg("--values").arg(local::checkout().join(file));
        }
        for setting in list(&helm["set"]) {
            command.args(["--set", setting]);
        }
        let said = process::listen(&mut command, interrupt)?;
        ensure!(said.status.success(), "helm refuses the Tiltfile's values: {}", said.everything());
        // Tilt leaves out what `helm test` runs.
        let is_test = |object: &Value| object["metadata"]["annotations"]["helm.sh/hook"] == "test";
        Ok(yaml::parse(&said.output)?.into_iter().filter(|object| !is_test(object)).collect())
    }

    fn faults(&self, objects: &[Value]) -> Vec<String> {
        let workloads: BTreeSet<&str> = objects
            .iter()
            .filter(|object| ["Deployment", "StatefulSet", "Job", "CronJob"].contains(&text(&object["kind"])))
            .map(|object| text(&object["metadata"]["name"]))
            .collect();
        let locals: BTreeSet<&str> = self.named("local_resource").map(|call| text(&call["name"])).collect();
        let used: BTreeSet<String> = objects.iter().flat_map(images).collect();
        let mut faults = Vec::new();

        let built: BTreeMap<&str, &Value> =
            self.named("docker_build").map(|call| (text(&call["ref"]), call)).collect();
        for image in used.iter().filter(|image| image.starts_with("bookstore/")) {
            if !built.contains_key(image.as_str()) {
                faults.push(format!("nothing builds {image}, which the chart runs"));
            }
        }
        for (image, call) in &built {
            if !used.contains(*image) {
                faults.push(format!("{image} is built, and nothing of the chart runs it"));
            }
            let dockerfile = local::checkout().join(text(&call["dockerfile"]));
            if !dockerfile.exists() {
                faults.push(format!("{image} is built by {}, which is not there", text(&call["dockerfile"])));
            }
        }
        for service in crate::up::services::SERVICES.iter().map(|service| service.name) {
            let is_live = built
                .get(format!("bookstore/{service}").as_str())
                .is_some_and(|call| list(&call["live_update"]).next().is_some());
            if !is_live {
                faults.push(format!("{service} is built anew on each change, without a live update"));
            }
        }
        for resource in self.named("k8s_resource") {
            let name = text(&resource["workload"]);
            if !workloads.contains(name) && !locals.contains(name) {
                faults.push(format!("k8s_resource names {name}, which the chart doesn't have"));
            }
            for needed in list(&resource["resource_deps"]) {
                if !workloads.contains(needed) && !locals.contains(needed) {
                    faults.push(format!("{name} waits for {needed}, which is not there"));
                }
            }
        }
        let named: BTreeSet<&str> = self.named("k8s_resource").map(|call| text(&call["workload"])).collect();
        // The name of that job changes with what it does; Tilt shows it under its own.
        for workload in workloads.difference(&named).filter(|name| !name.starts_with("demo-")) {
            faults.push(format!("{workload} has no place on Tilt's page: no k8s_resource names it"));
        }
        for (name, port) in [("gateway", 8080), ("jaeger", 16686)] {
            let forwarded = self.named("k8s_resource").any(|call| {
                text(&call["workload"]) == name
                    && call["port_forwards"]
                        .as_array()
                        .into_iter()
                        .flatten()
                        .any(|forward| forward["local_port"] == port)
                    && links(call).next().is_some()
            });
            if !forwarded {
                faults.push(format!("{name} is not reachable at port {port}, or has no link"));
            }
        }
        for button in ["tests", "verify"] {
            let is_there = self.named("cmd_button").any(|call| text(&call["name"]).contains(button))
                || locals.contains(button);
            if !is_there {
                faults.push(format!("there is no button for {button}"));
            }
        }
        if self.named("allow_k8s_contexts").next().is_some() {
            faults.push("it may be run against a cluster that is not local".to_owned());
        }
        faults
    }
}

/// Images that an object runs, without their tags: Tilt puts its own.
fn images(object: &Value) -> Vec<String> {
    match object {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(key, value)| match value.as_str() {
                Some(image) if key == "image" => {
                    let name = image.rsplit_once(':').map_or(image, |(name, _)| name);
                    vec![name.trim_start_matches("docker.io/").to_owned()]
                }
                _ => images(value),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(images).collect(),
        _ => Vec::new(),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn links(call: &Value) -> impl Iterator<Item = &str> {
    call["links"].as_array().into_iter().flatten().filter_map(|link| link["url"].as_str())
}
