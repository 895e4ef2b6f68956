//! The programs that checks need, of one version for everybody: pinned here and nowhere else, installed where they are
//! missing into `$XDG_CACHE_HOME/bookstore/tools`, a folder for each version.

mod go;
mod install;
mod python;

use std::{
    env, fmt, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

pub(crate) use go::{Go, Module};
pub(crate) use install::install;

/// A program and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    source: Source,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// A package of a Go module. `instead_of` puts another module in the place of one that is gone.
    Go { package: &'static str, instead_of: Option<&'static str> },
    /// A package of Python's index.
    Python { package: &'static str },
}

/// Lints and formats the contract.
pub(crate) const BUF: Tool = Tool::python("buf", "buf-bin", "1.75.0");
/// Lints, renders and installs the chart.
pub(crate) const HELM: Tool = Tool::go("helm", "helm.sh/helm/v4/cmd/helm", "4.3.1");
/// Makes a cluster of containers, where there is Docker.
pub(crate) const KIND: Tool = Tool::go("kind", "sigs.k8s.io/kind", "0.33.0");
/// Compares the chart's README with its values.
pub(crate) const HELM_DOCS: Tool =
    Tool::go("helm-docs", "github.com/norwoodj/helm-docs/cmd/helm-docs", "1.14.2");
/// Tests what the chart renders.
pub(crate) const HELM_UNITTEST: Tool =
    Tool::go("helm-unittest", "github.com/helm-unittest/helm-unittest/cmd/helm-unittest", "1.1.2")
        .instead_of(
            "github.com/vmware-labs/yaml-jsonpath@v0.3.2=github.com/helm-unittest/yaml-jsonpath@v0.4.0",
        );
/// Compares objects with the schemas of their kinds.
pub(crate) const KUBECONFORM: Tool =
    Tool::go("kubeconform", "github.com/yannh/kubeconform/cmd/kubeconform", "0.8.0");
/// Finds objects that will not run well.
pub(crate) const KUBE_SCORE: Tool =
    Tool::go("kube-score", "github.com/zegl/kube-score/cmd/kube-score", "1.20.0");
/// Finds objects that are not safe.
pub(crate) const CHECKOV: Tool = Tool::python("checkov", "checkov", "3.3.30");
/// Carries the schemas of Kubernetes' own kinds, and a Python that reads YAML.
pub(crate) const KUBERNETES_VALIDATE: Tool =
    Tool::python("kubernetes-validate", "kubernetes-validate", "1.37.0");
/// Checks and tests alert rules.
pub(crate) const PROMTOOL: Tool =
    Tool::go("promtool", "github.com/prometheus/prometheus/cmd/promtool", "0.315.0");
/// Evaluates the Tiltfile.
pub(crate) const STARLARK: Tool =
    Tool::go("starlark", "go.starlark.net/cmd/starlark", "0.0.0-20260908191801-89a6a09411d5");

impl Tool {
    const fn go(name: &'static str, package: &'static str, version: &'static str) -> Self {
        Self { name, version, source: Source::Go { package, instead_of: None } }
    }

    const fn python(name: &'static str, package: &'static str, version: &'static str) -> Self {
        Self { name, version, source: Source::Python { package } }
    }

    /// With a module in the place of another: `old@v1=new@v2`.
    const fn instead_of(mut self, modules: &'static str) -> Self {
        if let Source::Go { package, .. } = self.source {
            self.source = Source::Go { package, instead_of: Some(modules) };
        }
        self
    }

    /// Where it is, or will be.
    pub(crate) fn program(self) -> Result<PathBuf> {
        Ok(self.folder()?.join("bin").join(self.name))
    }

    /// All that belongs to it.
    pub(crate) fn folder(self) -> Result<PathBuf> {
        Ok(cache()?.join(format!("{}-{}", self.name, self.version)))
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

/// What this machine lacks, and how to get it: no defect of the checkout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Missing(pub(crate) String);

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Missing {}

/// The folder of all tools.
pub(crate) fn cache() -> Result<PathBuf> {
    let base = match env::var_os("XDG_CACHE_HOME").filter(|folder| !folder.is_empty()) {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env::var_os("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?)
            .join(".cache"),
    };
    let folder = base.join("bookstore/tools");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// Puts `made` where it belongs, in one step: a half-made folder is never taken for a whole one.
fn put(made: &Path, folder: &Path) -> Result<()> {
    fs::rename(made, folder).with_context(|| format!("cannot make {}", folder.display()))
}
