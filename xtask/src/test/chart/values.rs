//! The chart's values: each is described, and one that isn't there is refused rather than ignored.

use std::{fs, process::Command};

use anyhow::Context as _;
use serde_json::Value;

use crate::{
    process::{self, Interrupt},
    tools::HELM,
};

use super::{Found, folder};

/// What a tired person types. Each must be refused with the name that is wrong.
const TYPOS: [(&str, &str); 10] = [
    ("trustDomian=shop.example", "trustDomian"),
    ("order.replica=3", "replica"),
    ("orders.replicas=3", "orders"),
    ("order.database.existing=mine", "existing"),
    ("gateway.routes.hostname=shop.example", "hostname"),
    ("discovery=kubernets", "discovery"),
    ("mesh.profile=linkrd", "profile"),
    ("postgres.enabeld=false", "enabeld"),
    ("nats.provider=embedded", "provider"),
    ("defaults.autoscaling.minReplicas=none", "minReplicas"),
];

/// Values that no sentence in the schema describes, and objects that take fields that they don't know.
pub(super) fn undescribed() -> Found {
    let path = folder().join("values.schema.json");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let schema: Value = serde_json::from_str(&text).context("values.schema.json is no JSON")?;
    let mut found = Vec::new();
    look(&schema, &schema, "", &mut found);
    Ok(found)
}

fn look(schema: &Value, root: &Value, at: &str, found: &mut Vec<String>) {
    // What is referred to is a type, such as Kubernetes' affinity: described where it is used, refusing what it hasn't.
    let is_type = schema.get("$ref").is_some();
    let schema = followed(schema, root);
    if let Some(properties) = schema["properties"].as_object() {
        if schema.get("additionalProperties").is_none() {
            found.push(format!("{}: says nothing of additionalProperties", name(at)));
        }
        for (key, inner) in properties {
            let at = format!("{at}.{key}");
            if !is_type
                && inner["description"].as_str().or(followed(inner, root)["description"].as_str()).is_none()
            {
                found.push(format!("{}: has no description", name(&at)));
            }
            if !is_type {
                look(inner, root, &at, found);
            }
        }
    }
    for (key, inner) in [("items", &schema["items"]), ("*", &schema["additionalProperties"])] {
        if inner.is_object() && !is_type {
            look(inner, root, &format!("{at}.{key}"), found);
        }
    }
}

fn name(at: &str) -> &str {
    if at.is_empty() { "the values" } else { at.trim_start_matches('.') }
}

/// Where a reference inside the schema leads to.
fn followed<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    let target = schema["$ref"].as_str().and_then(|target| target.strip_prefix('#'));
    target.and_then(|pointer| root.pointer(pointer)).unwrap_or(schema)
}

/// Typos that helm doesn't refuse, or refuses without a word that helps.
pub(super) fn accepted_typos(interrupt: &Interrupt) -> Found {
    let mut found = Vec::new();
    for (typo, wrong) in TYPOS {
        let mut helm = Command::new(HELM.program()?);
        let said = process::listen(
            helm.args(["template", "bookstore"]).arg(folder()).args(["--set", typo]),
            interrupt,
        )?;
        if said.status.success() {
            found.push(format!("--set {typo} is taken"));
        } else if !said.errors.contains(wrong) {
            found.push(format!("--set {typo} is refused without naming {wrong}: {}", said.errors.trim()));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_without_a_description_are_found_behind_references_and_in_lists() {
        let schema = json!({
            "additionalProperties": false,
            "properties": {
                "good": { "description": "one", "type": "string" },
                "bad": { "type": "string" },
                "list": { "description": "two", "items": { "properties": { "x": {} }, "additionalProperties": false } },
                "far": { "$ref": "#/$defs/far" },
            },
            "$defs": { "far": { "description": "three", "properties": {} } },
        });
        let mut found = Vec::new();
        look(&schema, &schema, "", &mut found);
        found.sort();
        assert_eq!(
            found,
            [
                "bad: has no description",
                "far: says nothing of additionalProperties",
                "list.items.x: has no description",
            ]
        );
    }
}
