use std::{env, ffi::OsString, path::Path, process::Output};

use anyhow::{Context, Result, bail};
use tokio::process::Command;

/// Names the program; `helm` if absent.
const PROGRAM: &str = "BOOKSTORE_HELM";
/// Name where our images come from, and their tag; as the chart has it if absent or empty.
const IMAGES: [(&str, &str); 2] =
    [("BOOKSTORE_TEST_REGISTRY", "image.registry"), ("BOOKSTORE_TEST_TAG", "image.tag")];
/// The chart.
const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/helm/bookstore");
/// The one release in a namespace.
const RELEASE: &str = "shop";

/// The program `helm`, for the release of one namespace.
#[derive(Clone, Debug)]
pub struct Helm {
    context: String,
    namespace: String,
}

impl Helm {
    pub(crate) fn new(context: &str, namespace: &str) -> Self {
        Self { context: context.to_owned(), namespace: namespace.to_owned() }
    }

    /// Installs the chart with these values (`key=value`); does not wait for its pods.
    pub async fn install(&self, values: &[&str]) -> Result<()> {
        self.release("install", &[], values).await
    }

    /// Changes the release to the chart with these values, also where somebody else has scaled it; does not wait for its
    /// pods.
    pub async fn upgrade(&self, values: &[&str]) -> Result<()> {
        self.release("upgrade", &["--force-conflicts"], values).await
    }

    /// Goes back to what was before the last change.
    pub async fn rollback(&self) -> Result<()> {
        self.run(&["rollback", RELEASE]).await.map(drop)
    }

    /// Takes the release away.
    pub async fn uninstall(&self) -> Result<()> {
        self.run(&["uninstall", RELEASE, "--wait"]).await.map(drop)
    }

    /// Runs the chart's own tests; says what they wrote.
    pub async fn test(&self) -> Result<String> {
        self.run(&["test", RELEASE, "--timeout", "3m", "--logs"]).await
    }

    async fn release(&self, command: &str, options: &[&str], values: &[&str]) -> Result<()> {
        let images = IMAGES.iter().filter_map(|(variable, value)| {
            let given = env::var(variable).ok().filter(|given| !given.is_empty())?;
            Some(format!("{value}={given}"))
        });
        let images: Vec<String> = images.collect();
        let mut arguments = vec![command, RELEASE, path(CHART)?, "--timeout", "3m"];
        arguments.extend(options);
        for value in images.iter().map(String::as_str).chain(values.iter().copied()) {
            arguments.extend(["--set", value]);
        }
        self.run(&arguments).await.map(drop)
    }

    async fn run(&self, arguments: &[&str]) -> Result<String> {
        let program = env::var_os(PROGRAM).unwrap_or_else(|| OsString::from("helm"));
        let mut command = Command::new(&program);
        command.args(["--kube-context", &self.context, "--namespace", &self.namespace]).args(arguments);
        let output = command.kill_on_drop(true).output().await;
        let Output { status, stdout, stderr } =
            output.with_context(|| format!("cannot run {}", Path::new(&program).display()))?;
        let said = String::from_utf8_lossy(&stdout);
        if !status.success() {
            bail!("helm {} ended with {status}:\n{said}{}", arguments[0], String::from_utf8_lossy(&stderr));
        }
        Ok(said.into_owned())
    }
}

fn path(path: &str) -> Result<&str> {
    Path::new(path).exists().then_some(path).with_context(|| format!("there is no {path}"))
}
