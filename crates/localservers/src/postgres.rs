//! A private PostgreSQL server.

mod install;

use std::{
    ffi::OsString,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Child, Command},
    time::Duration,
};

use anyhow::{Context, Result};

use crate::{Progress, account, children, ports, programs};

/// The only account of the private servers.
const USER: &str = "bookstore";
const OLDEST: u32 = 15;
const IMAGE: &str = "postgres:18-alpine";
/// A crash is recovered from before the server is ready.
const START: Duration = Duration::from_mins(1);
const STOP: Duration = Duration::from_secs(20);

/// The programs of a PostgreSQL that is new enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostgresBinaries {
    /// A folder with `initdb` and `postgres`.
    Folder(PathBuf),
    /// Docker's official image.
    Docker,
}

/// A running PostgreSQL server of ours. Stops when dropped.
#[derive(Debug)]
pub struct Postgres {
    child: Child,
    port: u16,
    password: String,
    data: PathBuf,
}

impl PostgresBinaries {
    /// Starts a server on `data`, making the cluster there if it is empty.
    ///
    /// See [`Postgres::start`].
    pub fn start(&self, data: &Path, port: Option<u16>, settings: &[(&str, &str)]) -> Result<Postgres> {
        self.initialise(data)?;
        let mut failure = None;
        // Another process may take a free port before Postgres does.
        for _ in 0..if port.is_some() { 1 } else { 5 } {
            let port = match port {
                Some(port) => port,
                None => ports::free_port()?,
            };
            match self.start_on(data, port, settings) {
                Ok(server) => return Ok(server),
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.context("no attempt to start Postgres")?)
    }

    fn start_on(&self, data: &Path, port: u16, settings: &[(&str, &str)]) -> Result<Postgres> {
        let log = data.join("server.log");
        let (program, mut args) = self.command("postgres", data, Some(port))?;
        let all = [
            ("listen_addresses", self.listen()),
            ("unix_socket_directories", ""),
            ("max_connections", "500"),
        ];
        args.extend(["-D", self.inside(data), "-p", &self.port_inside(port).to_string()].map(OsString::from));
        for (name, value) in all.iter().chain(settings) {
            args.extend([OsString::from("-c"), format!("{name}={value}").into()]);
        }
        let mut child = children::start(&children::Launch {
            program: &program,
            args,
            log: &log,
            account: self.account(),
            // Postgres' fast shutdown: open transactions are rolled back, the data is left clean.
            last_signal: "INT",
        })?;
        let status = data.join("postmaster.pid");
        children::wait_ready(&mut child, &log, START, || is_ready(&status))
            .with_context(|| format!("Postgres did not start on port {port}"))?;
        let password = fs::read_to_string(password_file(data))?;
        Ok(Postgres { child, port, password, data: data.to_owned() })
    }

    fn initialise(&self, data: &Path) -> Result<()> {
        if data.join("PG_VERSION").exists() && password_file(data).exists() {
            return Ok(());
        }
        fs::create_dir_all(data).with_context(|| format!("cannot make {}", data.display()))?;
        if let Some(account) = self.account() {
            account::check_reachable(&data.canonicalize()?)?;
            account::give_to(data, account)?;
        }
        // Beside the data at first: initdb wants an empty folder.
        let password = data.with_extension("password");
        fs::write(&password, account::unique()?)?;
        if let Some(account) = self.account() {
            account::give_to(&password, account)?;
        }
        let result = self.run_initdb(data, &password);
        if result.is_ok() {
            fs::copy(&password, password_file(data))?;
        }
        fs::remove_file(&password)?;
        result
    }

    fn run_initdb(&self, data: &Path, password: &Path) -> Result<()> {
        use std::os::unix::process::CommandExt;

        let (program, mut args) = self.command("initdb", data, None)?;
        let password_inside = match self {
            Self::Folder(_) => password.display().to_string(),
            Self::Docker => "/run/bookstore-password".to_owned(),
        };
        if matches!(self, Self::Docker) {
            let image = args.iter().position(|arg| arg == IMAGE).context("no image")?;
            let mount = format!("{}:{password_inside}:ro", password.display());
            args.splice(image..image, ["-v".into(), mount.into()]);
        }
        let mut command = Command::new(program);
        command.args(args).args(["-D", self.inside(data), "-U", USER, "--pwfile", &password_inside]);
        // In clear over loopback: the client's side of SCRAM costs a debug build tens of milliseconds a connection.
        command.args([
            "--auth-host=password",
            "--auth-local=reject",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
        ]);
        if let Some(account) = self.account() {
            command.uid(account.uid).gid(account.gid).current_dir("/");
        }
        programs::run(&mut command).context("cannot make the database cluster")?;
        Ok(())
    }

    /// The program to run for one of Postgres' own, and what goes before its arguments.
    fn command(&self, name: &str, data: &Path, port: Option<u16>) -> Result<(PathBuf, Vec<OsString>)> {
        match self {
            Self::Folder(folder) => Ok((folder.join(name), Vec::new())),
            Self::Docker => {
                let owner = fs::metadata(data)?;
                let mut args: Vec<OsString> =
                    ["run", "--rm", "--init", "--entrypoint", name].map(Into::into).into();
                args.extend(["--user".into(), format!("{}:{}", owner.uid(), owner.gid()).into()]);
                args.extend(["-v".into(), format!("{}:{}", data.display(), self.inside(data)).into()]);
                if let Some(port) = port {
                    args.extend(["-p".into(), format!("127.0.0.1:{port}:5432").into()]);
                }
                args.push(IMAGE.into());
                Ok((programs::find("docker").context("docker is not on PATH")?, args))
            }
        }
    }

    fn inside<'a>(&self, data: &'a Path) -> &'a str {
        match self {
            Self::Folder(_) => data.to_str().unwrap_or_default(),
            Self::Docker => "/data",
        }
    }

    fn port_inside(&self, port: u16) -> u16 {
        match self {
            Self::Folder(_) => port,
            Self::Docker => 5432,
        }
    }

    fn listen(&self) -> &'static str {
        match self {
            Self::Folder(_) => "127.0.0.1",
            Self::Docker => "*",
        }
    }

    fn account(&self) -> Option<account::Account> {
        match self {
            Self::Folder(_) => account::for_postgres(),
            // Docker's client stays who we are; the server in the container is the data's owner.
            Self::Docker => None,
        }
    }
}

impl Postgres {
    /// Finds a PostgreSQL (15 or newer), or installs one.
    pub fn locate() -> Result<PostgresBinaries> {
        Self::locate_telling(&|_| ())
    }

    /// As [`Postgres::locate`]; tells what takes long.
    pub fn locate_telling(progress: Progress<'_>) -> Result<PostgresBinaries> {
        install::locate(progress)
    }

    /// Finds or installs PostgreSQL and starts a server on 127.0.0.1.
    ///
    /// `data` is its folder, made if missing; for root it must be one that another account can enter (see
    /// [`crate::data_folder`]). Without a `port` it takes a free one. `settings` are those of `postgresql.conf`.
    pub fn start(data: &Path, port: Option<u16>, settings: &[(&str, &str)]) -> Result<Self> {
        Self::locate()?.start(data, port, settings)
    }

    /// The address of a database of the server, with the password.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}:{}@127.0.0.1:{}/{database}", self.password, self.port)
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The id of the server's process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The folder with its data, its log among them.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Stops the server; what was committed is kept.
    pub fn stop(mut self) -> Result<()> {
        children::stop(&mut self.child, "INT", STOP)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Nothing more can be done about a server that does not end.
        let _ = children::stop(&mut self.child, "INT", STOP);
    }
}

fn password_file(data: &Path) -> PathBuf {
    data.join("bookstore.password")
}

/// The last line of `postmaster.pid` tells the state, as `pg_ctl` reads it.
fn is_ready(status: &Path) -> bool {
    fs::read_to_string(status)
        .is_ok_and(|text| text.lines().nth(7).is_some_and(|line| line.trim() == "ready"))
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpStream,
    };

    use super::*;

    /// What the server answers to a connection's first message: `R` asks for the password.
    fn greets(port: u16) -> bool {
        let parameters = b"\0\x03\0\0user\0bookstore\0database\0postgres\0\0";
        let length = u32::try_from(parameters.len() + 4).unwrap().to_be_bytes();
        let mut first = [0];
        TcpStream::connect(("127.0.0.1", port)).is_ok_and(|mut stream| {
            stream.write_all(&[&length[..], parameters].concat()).unwrap();
            stream.read_exact(&mut first).is_ok() && first == *b"R"
        })
    }

    #[test]
    fn a_stopped_server_comes_back_with_its_data() {
        let folder = tempfile::Builder::new()
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .tempdir()
            .unwrap();
        let data = folder.path().join("data");
        let server = Postgres::start(&data, None, &[("fsync", "off")]).unwrap();
        let (port, url) = (server.port(), server.url("shop"));
        assert!(greets(port));
        server.stop().unwrap();
        assert!(!greets(port));

        let server = Postgres::start(&data, Some(port), &[]).unwrap();
        assert!(greets(port));
        assert_eq!(server.url("shop"), url);
    }
}
