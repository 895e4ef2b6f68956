use anyhow::{Context as _, Result};
use system_tests::{Shop, verifier};
use tokio::process::Command;

/// What the program `verify` says of a shop.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) code: i32,
    /// What programs and people read.
    pub(super) told: String,
    /// What people read beside it.
    pub(super) summary: String,
}

impl Answer {
    pub(super) async fn of(shop: &Shop, arguments: &[&str]) -> Result<Self> {
        Self::to(Self::question(shop)?.args(arguments)).await
    }

    /// To a question that lacks something.
    pub(super) async fn without(shop: &Shop, variable: &str) -> Result<Self> {
        Self::to(Self::question(shop)?.env_remove(variable)).await
    }

    fn question(shop: &Shop) -> Result<Command> {
        let access = shop.access();
        let mut command = Command::new(verifier()?);
        for (service, url) in &access.databases {
            command.env(format!("BOOKSTORE_{}_DATABASE_URL", service.name().to_uppercase()), url);
        }
        command.envs(access.nats_url.map(|url| ("BOOKSTORE_NATS_URL", url)));
        Ok(command)
    }

    async fn to(question: &mut Command) -> Result<Self> {
        let output = question.output().await?;
        let code = output.status.code().context("verify was killed")?;
        Ok(Self { code, told: String::from_utf8(output.stdout)?, summary: String::from_utf8(output.stderr)? })
    }
}
