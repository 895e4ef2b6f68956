//! Looking at the files again and again, and saying once what has come of it.

use std::time::{Duration, SystemTime};

use tokio::time::sleep;

use crate::{Identity, material::Age};

impl Identity {
    /// Looks at the files at once and then again and again, for as long as it is polled. Contents are compared, not
    /// dates: Kubernetes swaps links.
    pub async fn keep_fresh(&self, every: Duration) {
        let mut said = Said::default();
        loop {
            said.look(self);
            sleep(every).await;
        }
    }
}

/// What is known from the log already.
#[derive(Default)]
struct Said {
    problem: Option<String>,
    age: Age,
}

impl Said {
    fn look(&mut self, identity: &Identity) {
        let problem = match identity.reload() {
            Ok(changed) => {
                if changed {
                    tracing::info!(id = %identity.id(), "the certificate, its key or the roots were renewed");
                } else if self.problem.is_some() {
                    tracing::info!("the files of the certificate are in order again");
                }
                None
            }
            Err(error) => Some(error.to_string()),
        };
        if let Some(problem) = problem.as_ref().filter(|_| problem != self.problem) {
            tracing::warn!(
                error = problem,
                "the certificate can't be renewed: what was read before stays in use"
            );
        }
        self.problem = problem;

        let age = identity.age(now());
        if age != self.age {
            let id = identity.id();
            match age {
                Age::Fresh => {}
                Age::Overdue => tracing::warn!(%id, "the certificate ends soon and was not renewed"),
                Age::Over => tracing::error!(%id, "the certificate has ended: no other service accepts it"),
            }
        }
        self.age = age;
    }
}

#[expect(clippy::disallowed_methods, reason = "certificates are valid by the machine's time, as TLS has it")]
fn now() -> SystemTime {
    SystemTime::now()
}
