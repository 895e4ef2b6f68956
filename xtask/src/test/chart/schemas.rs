//! What objects of each kind look like: Kubernetes' own kinds from a package that carries their schemas, others' from the
//! definitions in their Go modules. Nothing is fetched while checking.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::{
    say,
    test::yaml,
    tools::{self, Go, KUBERNETES_VALIDATE, Module},
};

/// The releases of Kubernetes that the chart is checked for: its oldest, and the one of the cluster tests.
pub(super) const KUBERNETES: [&str; 2] = ["1.31", "1.34"];

/// The definitions of others' kinds: a module, and its folder of them.
const DEFINITIONS: [(Module, &str); 5] = [
    (Module { path: "sigs.k8s.io/gateway-api", version: "v1.5.1" }, "config/crd/standard"),
    (
        Module { path: "github.com/prometheus-operator/prometheus-operator", version: "v0.85.0" },
        "example/prometheus-operator-crd",
    ),
    (Module { path: "github.com/cert-manager/cert-manager", version: "v1.21.2" }, "deploy/crds"),
    (Module { path: "github.com/cloudnative-pg/cloudnative-pg", version: "v1.25.0" }, "config/crd/bases"),
    (Module { path: "istio.io/api", version: "v1.27.0" }, "kubernetes"),
];

/// Folders of schemas, as kubeconform reads them.
#[derive(Debug)]
pub(super) struct Schemas(PathBuf);

impl Schemas {
    /// For kubeconform: where the kinds of a release of Kubernetes are, and others'.
    pub(super) fn locations(&self, release: &str) -> Vec<String> {
        [release, "others"]
            .into_iter()
            .flat_map(|folder| {
                let folder = self.0.join(folder).display().to_string();
                ["-schema-location".to_owned(), folder + "/{{.ResourceKind}}{{.KindSuffix}}.json"]
            })
            .collect()
    }
}

/// Makes them where they are not, or are of other versions.
pub(super) fn prepare() -> Result<Schemas> {
    let wanted = format!("{KUBERNETES_VALIDATE}, Kubernetes {KUBERNETES:?}, {DEFINITIONS:?}");
    let folder = tools::cache()?.join("schemas");
    if fs::read_to_string(folder.join("made-of")).is_ok_and(|made_of| made_of == wanted) {
        return Ok(Schemas(folder));
    }
    say::doing("Preparing", "the schemas of Kubernetes' kinds, and of others'");
    let go = Go::find()?;
    let made = tempfile::Builder::new().prefix(".making-").tempdir_in(tools::cache()?)?;
    for release in KUBERNETES {
        of_kubernetes(release, &made.path().join(release))?;
    }
    let others = made.path().join("others");
    fs::create_dir(&others)?;
    for (module, definitions) in DEFINITIONS {
        let folder = go.download(module)?.join(definitions);
        of_definitions(&folder, &others).with_context(|| format!("the definitions of {}", module.path))?;
    }
    fs::write(made.path().join("made-of"), wanted)?;
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::rename(made.keep(), &folder)?;
    Ok(Schemas(folder))
}

/// Copies those that the package has for a release, with references that lead to files beside them.
fn of_kubernetes(release: &str, to: &Path) -> Result<()> {
    fs::create_dir(to)?;
    let python = KUBERNETES_VALIDATE.folder()?.join("lib");
    let inside =
        format!("site-packages/kubernetes_validate/kubernetes-json-schema/v{release}.0-local-strict");
    let from = fs::read_dir(&python)?
        .filter_map(|version| Some(version.ok()?.path().join(&inside)))
        .find(|folder| folder.is_dir())
        .with_context(|| format!("{KUBERNETES_VALIDATE} has no schemas of Kubernetes {release}"))?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let text = fs::read_to_string(&path)?.replace("\"/api/_definitions.json", "\"_definitions.json");
        let mut schema: Value = serde_json::from_str(&text)?;
        if let Some(schema) = schema.as_object_mut() {
            schema.remove("$id");
        }
        fs::write(to.join(path.file_name().context("a file has a name")?), schema.to_string())?;
    }
    Ok(())
}

/// Writes a schema for each version of each kind that the files of a folder define.
fn of_definitions(from: &Path, to: &Path) -> Result<()> {
    let mut count = 0;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        for document in yaml::read(&path)? {
            if document["kind"] != "CustomResourceDefinition" {
                continue;
            }
            let spec = &document["spec"];
            let (Some(kind), Some(group)) = (spec["names"]["kind"].as_str(), spec["group"].as_str()) else {
                bail!("{} defines a kind without a name", path.display());
            };
            for version in spec["versions"].as_array().into_iter().flatten() {
                let mut schema = version["schema"]["openAPIV3Schema"].clone();
                refuse_unknown(&mut schema, true);
                let group = group.split('.').next().unwrap_or(group);
                let name = version["name"].as_str().unwrap_or_default();
                fs::write(
                    to.join(format!("{}-{group}-{name}.json", kind.to_lowercase())),
                    schema.to_string(),
                )?;
                count += 1;
            }
        }
    }
    if count == 0 {
        bail!("{} defines no kinds", from.display());
    }
    Ok(())
}

/// Kubernetes drops fields that it doesn't know; a check must refuse them.
fn refuse_unknown(schema: &mut Value, is_root: bool) {
    match schema {
        Value::Object(object) => {
            if object.get("x-kubernetes-int-or-string") == Some(&json!(true)) {
                object.remove("anyOf");
                object.insert("type".to_owned(), json!(["integer", "string"]));
            }
            let is_open = object.get("x-kubernetes-preserve-unknown-fields") == Some(&json!(true))
                || object.get("x-kubernetes-embedded-resource") == Some(&json!(true));
            if object.contains_key("properties")
                && object.get("type") == Some(&json!("object"))
                && !object.contains_key("additionalProperties")
                && !is_open
            {
                object.insert("additionalProperties".to_owned(), json!(false));
            }
            if is_root
                && let Some(metadata) = object.get_mut("properties").and_then(|all| all.get_mut("metadata"))
            {
                *metadata = json!({ "type": "object" });
            }
            for (_, inner) in object.iter_mut() {
                refuse_unknown(inner, false);
            }
        }
        Value::Array(inner) => inner.iter_mut().for_each(|inner| refuse_unknown(inner, false)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_a_kind_does_not_have_is_refused_at_any_depth() {
        let mut schema = json!({
            "type": "object",
            "properties": {
                "metadata": { "type": "object", "properties": {} },
                "spec": { "type": "array", "items": { "type": "object", "properties": { "a": {} } } },
                "free": { "type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {} },
            },
        });
        refuse_unknown(&mut schema, true);
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["properties"]["spec"]["items"]["additionalProperties"], false);
        assert!(schema["properties"]["free"].get("additionalProperties").is_none());
        assert_eq!(schema["properties"]["metadata"], json!({ "type": "object" }));
    }
}
