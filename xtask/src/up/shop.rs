//! The processes of a running shop: started one on another, watched, stopped in the opposite order.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use localservers::{Jaeger, JaegerPorts, MailServer, Nats, NatsOptions, Postgres};

use crate::{
    local::{self, Local},
    process::{self, Interrupt},
    say,
};

use super::{
    certificates::Certificates,
    databases,
    servers::Servers,
    services::{SERVICES, Secrets, Service},
    traces::Traces,
};

/// Migrations are part of it, and a debug build's first steps on a busy machine.
const READY: Duration = Duration::from_mins(2);
/// More than services allow themselves.
const STOP: Duration = Duration::from_secs(30);
const TAIL: usize = 15;
/// Where the mails are that the shop sends: they go no further.
pub(crate) const MAIL: &str = "mail";

#[derive(Default)]
pub(crate) struct Shop {
    pub(crate) postgres: Option<Postgres>,
    pub(crate) nats: Option<Nats>,
    mail: Option<MailServer>,
    jaeger: Option<Running>,
    services: Vec<(&'static Service, Running)>,
}

/// A process of ours and its log.
struct Running {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Running {
    fn start(name: &'static str, mut command: Command, log: PathBuf) -> Result<Self> {
        use std::os::unix::process::CommandExt;

        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        // In a group of its own: Ctrl-C reaches it only through us, in order.
        command.process_group(0).stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        Ok(Self { name, child, log })
    }

    /// Fails, with the end of its log, if it has ended.
    fn check(&mut self) -> Result<()> {
        let Some(status) = self.child.try_wait()? else { return Ok(()) };
        bail!("{} ended by itself ({status}); {}", self.name, self.end_of_log())
    }

    fn end_of_log(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(TAIL)..].join("\n");
        let log = local::short(&self.log);
        if tail.is_empty() {
            return format!("its log {log} is empty");
        }
        format!("the end of its log {log}:\n\n{tail}\n")
    }
}

impl Shop {
    pub(crate) fn start_servers(&mut self, local: &Local, interrupt: &Interrupt) -> Result<()> {
        let installing = |what: &str| say::doing("Server", what);
        let postgres = Postgres::locate_telling(&installing)?;
        interrupt.check()?;
        let nats = Nats::locate_telling(&installing)?;
        interrupt.check()?;
        let data = localservers::data_folder(&local.path("postgres"))?;
        let streams = local.folder("nats")?;
        if !data.join("PG_VERSION").exists() {
            // Streams tell of what is in the databases; without those they tell of nothing.
            std::fs::remove_dir_all(&streams)?;
        }
        say::doing("Starting", "Postgres");
        let postgres = self.postgres.insert(postgres.start(&data, None, &[])?);
        let names: Vec<&str> =
            SERVICES.iter().filter(|service| service.keeps).map(|service| service.name).collect();
        databases::create(&postgres.url("postgres"), &names)?;
        interrupt.check()?;
        say::doing("Starting", "NATS");
        let nats = self.nats.insert(nats.start(NatsOptions::new(&streams))?);
        Servers::note(local, postgres, nats)?;
        self.mail = Some(MailServer::start_into(&local.folder(MAIL)?)?);
        interrupt.check()
    }

    /// Starts Jaeger if it is there. The shop opens without it, too: then it says why.
    pub(crate) fn start_traces(
        &mut self,
        traces: &mut Traces,
        local: &Local,
        interrupt: &Interrupt,
    ) -> Result<()> {
        let Traces::Jaeger(program) = &*traces else { return Ok(()) };
        say::doing("Starting", "Jaeger");
        let mut command = process::ending_with_us(program);
        Jaeger::configure(&mut command, &local.folder("jaeger")?, JaegerPorts::USUAL)?;
        let log = local.folder("logs")?.join("jaeger.log");
        let jaeger = self.jaeger.insert(Running::start("jaeger", command, log)?);
        let deadline = Instant::now() + READY;
        let outcome = interrupt.wait_for(|| {
            jaeger.check()?;
            if Instant::now() > deadline {
                bail!("jaeger is not ready; {}", jaeger.end_of_log());
            }
            Ok(traces.is_ready().then_some(()))
        });
        interrupt.check()?;
        if let Err(error) = outcome {
            say::doing("Warning", format_args!("{error:#}"));
            *traces = Traces::NotCollected;
        }
        Ok(())
    }

    pub(crate) fn start_service(
        &mut self,
        service: &'static Service,
        program: &Path,
        certificates: &Certificates,
        secrets: &Secrets,
        traces: &Traces,
        local: &Local,
    ) -> Result<()> {
        let (Some(postgres), Some(nats), Some(mail)) = (&self.postgres, &self.nats, &self.mail) else {
            bail!("services need Postgres, NATS and a mail server");
        };
        say::doing("Starting", service.name);
        let mut command = process::ending_with_us(program);
        command.envs(service.environment(&certificates.of(service.name)?, secrets, &mail.url()));
        if service.keeps {
            command.env("BOOKSTORE_DATABASE_URL", postgres.url(service.name));
            command.env("BOOKSTORE_NATS_URL", nats.url());
        }
        command.envs(traces.environment());
        let log = local.folder("logs")?.join(format!("{}.log", service.name));
        self.services.push((service, Running::start(service.name, command, log)?));
        Ok(())
    }

    pub(crate) fn wait_until_ready(&mut self, interrupt: &Interrupt) -> Result<()> {
        let deadline = Instant::now() + READY;
        for at in 0..self.services.len() {
            interrupt.wait_for(|| {
                for (_, running) in &mut self.services {
                    running.check()?;
                }
                let (service, running) = &self.services[at];
                if Instant::now() > deadline {
                    bail!("{} is not ready; {}", service.name, running.end_of_log());
                }
                Ok(service.is_ready().then_some(()))
            })?;
        }
        Ok(())
    }

    /// Returns when somebody asks for the end; fails when a process ends that should not.
    pub(crate) fn watch(&mut self, interrupt: &Interrupt) -> Result<()> {
        let ended = interrupt.wait_for(|| {
            for (_, running) in &mut self.services {
                running.check()?;
            }
            if let Some(postgres) = &self.postgres
                && !process::is_running(postgres.pid())
            {
                bail!(
                    "Postgres ended by itself; its log is {}",
                    postgres.data().join("server.log").display()
                );
            }
            if let Some(nats) = &mut self.nats
                && !nats.is_running()
            {
                bail!("NATS ended by itself; its log is {}", nats.store().join("nats-server.log").display());
            }
            Ok(None::<()>)
        });
        if interrupt.requested() { Ok(()) } else { ended }
    }

    /// Stops the services, then what they stand on. Goes on whatever fails.
    pub(crate) fn close(&mut self) {
        if !self.services.is_empty() {
            say::doing("Stopping", "the services");
        }
        for (_, running) in &self.services {
            report(process::terminate(running.child.id()));
        }
        for (_, running) in &mut self.services {
            report(process::end(&mut running.child, STOP).map(drop));
        }
        if let Some(mut nats) = self.nats.take() {
            say::doing("Stopping", "NATS");
            report(nats.stop());
        }
        if let Some(postgres) = self.postgres.take() {
            say::doing("Stopping", "Postgres");
            report(postgres.stop());
        }
        if let Some(mut jaeger) = self.jaeger.take() {
            say::doing("Stopping", "Jaeger");
            report(process::end(&mut jaeger.child, STOP).map(drop));
        }
    }

    /// The services and their logs.
    pub(crate) fn services(&self) -> impl Iterator<Item = (&'static Service, &Path)> {
        self.services.iter().map(|(service, running)| (*service, running.log.as_path()))
    }
}

fn report(outcome: Result<()>) {
    if let Err(error) = outcome {
        say::doing("Warning", format_args!("{error:#}"));
    }
}
