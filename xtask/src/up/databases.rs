//! Creating databases. Not every Postgres comes with `psql`, so this says the few words itself, in Postgres' own
//! protocol: <https://www.postgresql.org/docs/current/protocol-message-formats.html>.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use anyhow::{Context, Result, bail};

const PROTOCOL_3: u32 = 196_608;

/// Creates the databases that are missing on the server at `url` (`postgres://user:password@host:port/database`).
pub(crate) fn create(url: &str, names: &[&str]) -> Result<()> {
    let mut session = Session::open(url)?;
    for name in names {
        if session.rows(&format!("SELECT FROM pg_database WHERE datname = '{name}'"))? == 0 {
            session.rows(&format!("CREATE DATABASE \"{name}\""))?;
        }
    }
    Ok(())
}

struct Session(TcpStream);

struct Message {
    kind: u8,
    body: Vec<u8>,
}

impl Session {
    fn open(url: &str) -> Result<Self> {
        let (account, place) =
            url.strip_prefix("postgres://").and_then(|url| url.split_once('@')).context("no Postgres URL")?;
        let (user, password) = account.split_once(':').context("no password in the Postgres URL")?;
        let (server, database) = place.split_once('/').context("no database in the Postgres URL")?;
        let stream = TcpStream::connect(server).context("Postgres takes no connection")?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let mut session = Self(stream);
        let mut startup = PROTOCOL_3.to_be_bytes().to_vec();
        for text in ["user", user, "database", database, ""] {
            startup.extend(text.bytes().chain([0]));
        }
        session.send(None, &startup)?;
        loop {
            let message = session.receive()?;
            match (message.kind, message.body.as_slice()) {
                (b'Z', _) => return Ok(session),
                (b'R', [0, 0, 0, 3]) => session.send(Some(b'p'), format!("{password}\0").as_bytes())?,
                (b'R', [0, 0, 0, 0]) | (b'S' | b'K' | b'N', _) => (),
                (b'R', _) => bail!("Postgres asks for a password in a way that isn't known here"),
                _ => bail!("Postgres refused the connection: {}", message.error()),
            }
        }
    }

    /// Runs a statement; answers with the number of rows.
    fn rows(&mut self, sql: &str) -> Result<usize> {
        self.send(Some(b'Q'), format!("{sql}\0").as_bytes())?;
        let mut outcome = Ok(0);
        loop {
            let message = self.receive()?;
            match message.kind {
                b'Z' => return outcome,
                b'D' => outcome = outcome.map(|rows| rows + 1),
                b'E' => outcome = Err(anyhow::anyhow!("{sql}: {}", message.error())),
                _ => (),
            }
        }
    }

    /// The first message of a session has no kind.
    fn send(&mut self, kind: Option<u8>, body: &[u8]) -> Result<()> {
        let length = u32::try_from(body.len() + 4)?;
        let mut message: Vec<u8> = kind.into_iter().collect();
        message.extend(length.to_be_bytes());
        message.extend(body);
        Ok(self.0.write_all(&message)?)
    }

    fn receive(&mut self) -> Result<Message> {
        let mut head = [0; 5];
        self.0.read_exact(&mut head).context("Postgres hung up")?;
        let [kind, length @ ..] = head;
        let length = usize::try_from(u32::from_be_bytes(length))?.saturating_sub(4);
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).context("Postgres hung up")?;
        Ok(Message { kind, body })
    }
}

impl Message {
    /// What an error message says: fields of a letter and a text, the one for people under `M`.
    fn error(&self) -> String {
        self.body
            .split(|byte| *byte == 0)
            .find_map(|field| field.strip_prefix(b"M"))
            .map_or_else(|| "no reason given".to_owned(), |text| String::from_utf8_lossy(text).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use localservers::Postgres;

    use super::*;

    #[test]
    fn databases_are_created_where_they_are_missing() {
        let folder = tempfile::tempdir().unwrap();
        // For root, Postgres runs under another account.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let server = Postgres::start(&folder.path().join("data"), None, &[("fsync", "off")]).unwrap();
        create(&server.url("postgres"), &["order", "payment"]).unwrap();
        create(&server.url("postgres"), &["payment", "identity"]).unwrap();
        let mut session = Session::open(&server.url("order")).unwrap();
        let made = "SELECT FROM pg_database WHERE datname IN ('order', 'payment', 'identity')";
        assert_eq!(session.rows(made).unwrap(), 3);
        let error = session.rows("SELECT nonsense").unwrap_err();
        assert!(error.to_string().contains("nonsense"), "{error}");
        assert!(Session::open(&server.url("nowhere")).is_err());
    }
}
