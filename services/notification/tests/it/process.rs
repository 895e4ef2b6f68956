use std::{
    path::{Path, PathBuf},
    process::Child,
};

use anyhow::{Context as _, Result};
use secrecy::ExposeSecret as _;

use crate::shop::{SOON, Shop};

/// The service in a process of its own, which ends with this one.
pub(crate) struct Process(Child);

impl Shop {
    /// Runs the service in a process of its own, until it tells what happens from then on.
    pub(crate) async fn launch<const N: usize>(
        &self,
        variables: [(&str, String); N],
        log: &Path,
    ) -> Result<Process> {
        let (server, base) = (&self.config.server, &self.config.server.base);
        let path =
            |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string()).context("no file");
        let usual = [
            ("BOOKSTORE_LISTEN", "127.0.0.1:0".to_owned()),
            ("BOOKSTORE_ADMIN_LISTEN", "127.0.0.1:0".to_owned()),
            ("BOOKSTORE_DATABASE_URL", server.database_url.expose_secret().to_owned()),
            ("BOOKSTORE_NATS_URL", server.nats_url.expose_secret().to_owned()),
            ("BOOKSTORE_TLS_CERTIFICATE", path(&base.tls_certificate)?),
            ("BOOKSTORE_TLS_KEY", path(&base.tls_key)?),
            ("BOOKSTORE_TLS_ROOTS", path(&base.tls_roots)?),
            ("BOOKSTORE_IDENTITY_TARGET", self.config.identity_target.to_string()),
            ("BOOKSTORE_SMTP_URL", self.mailbox.url()),
            ("BOOKSTORE_MAIL_FROM", self.config.mail_from.to_string()),
            ("BOOKSTORE_MAIL_TIMEOUT", format!("{}ms", self.config.mail_timeout.as_millis())),
            ("BOOKSTORE_MAIL_RETRY", format!("{}ms", self.config.mail_retry.as_millis())),
        ];
        let environment: Vec<_> =
            usual.into_iter().chain(variables).map(|(name, value)| (name.to_owned(), value)).collect();
        let program = Path::new(env!("CARGO_BIN_EXE_notification"));
        let process = Process(localservers::launch(program, &environment, log)?);
        testkit::eventually("it has noted its first start", SOON, async || {
            (self.count("SELECT count(*) FROM first_start").await.ok()? == 3).then_some(())
        })
        .await?;
        Ok(process)
    }
}

impl Process {
    /// Waits until it has ended by itself; whether it says that all is well.
    pub(crate) async fn ended(&mut self) -> Result<bool> {
        let status = testkit::eventually("it ends", SOON, async || self.0.try_wait().ok().flatten()).await?;
        Ok(status.success())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
