//! A mail server that keeps what it gets and passes nothing on.

mod letter;
mod session;

use std::{
    collections::VecDeque,
    fs::{self, OpenOptions},
    io::{ErrorKind, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use anyhow::{Context, Result};

pub use letter::Letter;

/// Takes mails by SMTP (RFC 5321) on 127.0.0.1, in this process, and passes none on. Stops when dropped.
#[derive(Debug)]
pub struct MailServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// How a mail server behaves towards a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Manners {
    /// Takes it.
    #[default]
    Polite,
    /// Answers this to who sends it: `421`, `550`.
    RefuseSender(u16),
    /// Answers this to whom it is for.
    RefuseRecipient(u16),
    /// Answers this to all of it.
    RefuseText(u16),
    /// Answers nothing, until it is told how to behave from then on.
    Hang,
    /// Takes it, and hangs up without saying so.
    HangUp,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// Where letters go; without it they are kept in memory.
    folder: Option<PathBuf>,
}

#[derive(Debug, Default)]
struct State {
    letters: Vec<Letter>,
    manners: Manners,
    /// How often they were changed.
    changes: u64,
    /// Those towards the next mails, before the lasting ones.
    next: VecDeque<Manners>,
    connections: Vec<TcpStream>,
    is_over: bool,
}

impl MailServer {
    /// Starts one that keeps its letters in memory, on a free port.
    pub fn start() -> Result<Self> {
        Self::open(None)
    }

    /// Starts one that writes each letter into a file of this folder, `….eml`, on a free port.
    pub fn start_into(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Self::open(Some(folder.to_owned()))
    }

    fn open(folder: Option<PathBuf>) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port for the mail server")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new(), folder });
        let accepting = shared.clone();
        thread::Builder::new().name("mail".to_owned()).spawn(move || accept(&listener, &accepting))?;
        Ok(Self { address, shared })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// `smtp://127.0.0.1:…`
    #[must_use]
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// What it has taken and keeps in memory, the oldest first.
    #[must_use]
    pub fn letters(&self) -> Vec<Letter> {
        self.shared.lock().letters.clone()
    }

    /// How it behaves from now on.
    pub fn behave(&self, manners: Manners) {
        let mut state = self.shared.lock();
        state.manners = manners;
        state.changes += 1;
        drop(state);
        self.shared.changed.notify_all();
    }

    /// How it behaves towards the next mail that has no manners of its own yet.
    pub fn behave_once(&self, manners: Manners) {
        self.shared.lock().next.push_back(manners);
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.is_over = true;
        for connection in state.connections.drain(..) {
            // The client may have hung up before.
            let _ = connection.shutdown(std::net::Shutdown::Both);
        }
        drop(state);
        self.shared.changed.notify_all();
        // Wakes whoever accepts connections, so that it sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        let copy = stream.as_ref().ok().and_then(|stream| stream.try_clone().ok());
        let mut state = shared.lock();
        if state.is_over {
            return;
        }
        let (Ok(stream), Some(copy)) = (stream, copy) else { continue };
        state.connections.push(copy);
        drop(state);
        let shared = shared.clone();
        // One that gets no thread is dropped: its client is hung up on.
        let _ = thread::Builder::new().name("mail session".to_owned()).spawn(move || {
            // Clients hang up as they like.
            let _ = session::converse(&stream, &shared);
            let ended = stream.peer_addr().ok();
            shared.lock().connections.retain(|other| other.peer_addr().ok() != ended);
            let _ = stream.shutdown(std::net::Shutdown::Both);
        });
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The manners towards a mail that begins.
    fn manners(&self) -> Manners {
        let mut state = self.lock();
        let lasting = state.manners;
        state.next.pop_front().unwrap_or(lasting)
    }

    /// Until it is told how to behave from then on.
    fn hang(&self) {
        let state = self.lock();
        let changes = state.changes;
        let _ended = self.changed.wait_while(state, |state| state.changes == changes && !state.is_over);
    }

    fn keep(&self, letter: Letter) -> std::io::Result<()> {
        if let Some(folder) = &self.folder {
            return write(folder, &letter);
        }
        self.lock().letters.push(letter);
        Ok(())
    }
}

/// Into a file that is called as the letter's `Message-ID` begins; a letter that comes again gets one of its own.
fn write(folder: &Path, letter: &Letter) -> std::io::Result<()> {
    let id = letter.header("Message-ID").unwrap_or_default();
    let is_plain = |character: &char| character.is_ascii_alphanumeric() || "_-".contains(*character);
    let name: String = id.trim_start_matches('<').chars().take_while(is_plain).take(100).collect();
    let name = if name.is_empty() { "letter" } else { &name };
    for copy in 1.. {
        let again = if copy == 1 { String::new() } else { format!("-{copy}") };
        let path = folder.join(format!("{name}{again}.eml"));
        match OpenOptions::new().write(true).create_new(true).open(path) {
            Ok(mut file) => return file.write_all(letter.source.as_bytes()),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
