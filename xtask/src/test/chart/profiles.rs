//! The ways to install the chart that are checked: with no values, and with each file of values that comes with it.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

use crate::{
    local,
    process::{self, Interrupt},
    test::yaml,
    tools::HELM,
};

/// The chart.
pub(crate) fn folder() -> PathBuf {
    local::checkout().join("deploy/helm/bookstore")
}

/// A way to install it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Profile {
    name: String,
    file: Option<PathBuf>,
}

impl Profile {
    /// For helm.
    pub(super) fn values(&self) -> Vec<String> {
        self.file.iter().map(|file| format!("--values={}", file.display())).collect()
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// No values, `values-*.yaml`, and `ci/*-values.yaml`.
pub(super) fn all() -> Result<Vec<Profile>> {
    let mut files = Vec::new();
    for (folder, is_one) in [
        (folder(), (|stem| stem.starts_with("values-")) as fn(&str) -> bool),
        (folder().join("ci"), |stem| stem.ends_with("-values")),
    ] {
        // A chart without a folder `ci` has no such files.
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry?.path();
            let is_yaml = path.extension().is_some_and(|extension| extension == "yaml");
            if is_yaml && path.file_stem().and_then(|stem| stem.to_str()).is_some_and(is_one) {
                files.push(path);
            }
        }
    }
    files.sort();
    let named = files.into_iter().map(|file| Profile {
        name: file
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .replace("values-", "")
            .replace("-values", ""),
        file: Some(file),
    });
    Ok([Profile { name: "bare".to_owned(), file: None }].into_iter().chain(named).collect())
}

/// What the chart makes of each profile, a file each.
#[derive(Debug)]
pub(super) struct Rendered {
    folder: TempDir,
    files: Vec<PathBuf>,
}

/// What a cluster has beside Kubernetes where everything that the chart knows of is installed.
const EXTENSIONS: [&str; 7] = [
    "cert-manager.io/v1",
    "gateway.networking.k8s.io/v1",
    "monitoring.coreos.com/v1",
    "postgresql.cnpg.io/v1",
    "policy.linkerd.io/v1beta3",
    "security.istio.io/v1",
    "networking.istio.io/v1",
];

impl Rendered {
    pub(super) fn of(profiles: &[Profile], interrupt: &Interrupt) -> Result<Self> {
        // No hidden folder: checkov passes over those.
        let folder = tempfile::Builder::new().prefix("bookstore-chart-").tempdir()?;
        let mut files = Vec::new();
        for profile in profiles {
            let mut helm = Command::new(HELM.program()?);
            helm.args(["template", "bookstore"]).arg(self::folder()).args(["--namespace", "bookstore"]);
            helm.args(["--kube-version", "1.34.0"]).args(profile.values());
            for extension in EXTENSIONS {
                helm.args(["--api-versions", extension]);
            }
            let said = process::listen(&mut helm, interrupt)?;
            ensure!(said.status.success(), "helm renders nothing for {profile}: {}", said.everything());
            let file = folder.path().join(format!("{profile}.yaml"));
            fs::write(&file, said.output).with_context(|| format!("cannot write {}", file.display()))?;
            files.push(file);
        }
        Ok(Self { folder, files })
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// How many objects there are.
    pub(super) fn objects(&self) -> Result<usize> {
        self.files.iter().try_fold(0, |sum, file| Ok(sum + yaml::read(file)?.len()))
    }
}
