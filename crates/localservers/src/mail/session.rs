use std::{
    io::{BufRead, BufReader, Result, Write},
    net::TcpStream,
};

use super::{Letter, Manners, Shared};

/// What has been said of the mail that is being handed over.
#[derive(Default)]
struct Envelope {
    sender: Option<String>,
    recipients: Vec<String>,
    manners: Manners,
}

/// Talks with one client until either side hangs up.
pub(super) fn converse(stream: &TcpStream, shared: &Shared) -> Result<()> {
    let mut reader = BufReader::new(stream);
    let mut envelope = Envelope::default();
    say(stream, "220 localhost keeps what you send")?;
    loop {
        let Some(line) = read_line(&mut reader)? else { return Ok(()) };
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" => {
                envelope = Envelope::default();
                say(stream, "250-localhost\r\n250-8BITMIME\r\n250 SMTPUTF8")?;
            }
            "HELO" | "RSET" => {
                envelope = Envelope::default();
                say(stream, "250 forgotten")?;
            }
            "NOOP" => say(stream, "250 fine")?,
            "QUIT" => return say(stream, "221 goodbye"),
            "MAIL" if envelope.sender.is_some() => say(stream, "503 what of the one before?")?,
            "MAIL" => {
                envelope = Envelope { manners: shared.manners(), ..Envelope::default() };
                match envelope.manners {
                    Manners::RefuseSender(code) => refuse(stream, code, &path(&line))?,
                    manners => {
                        if manners == Manners::Hang {
                            shared.hang();
                        }
                        envelope.sender = Some(path(&line));
                        say(stream, "250 go on")?;
                    }
                }
            }
            "RCPT" => match envelope.manners {
                _ if envelope.sender.is_none() => say(stream, "503 who is it from?")?,
                Manners::RefuseRecipient(code) => refuse(stream, code, &path(&line))?,
                _ => {
                    envelope.recipients.push(path(&line));
                    say(stream, "250 go on")?;
                }
            },
            "DATA" if envelope.recipients.is_empty() => say(stream, "503 who is it for?")?,
            "DATA" => {
                say(stream, "354 end with a dot")?;
                let Some(source) = read_text(&mut reader)? else { return Ok(()) };
                let Envelope { sender, recipients, manners } = std::mem::take(&mut envelope);
                if let Manners::RefuseText(code) = manners {
                    refuse(stream, code, &recipients.join(", "))?;
                    continue;
                }
                shared.keep(Letter { sender: sender.unwrap_or_default(), recipients, source })?;
                if manners == Manners::HangUp {
                    return Ok(());
                }
                say(stream, "250 kept")?;
            }
            _ => say(stream, "500 what?")?,
        }
    }
}

fn say(mut stream: &TcpStream, line: &str) -> Result<()> {
    stream.write_all(format!("{line}\r\n").as_bytes())
}

/// As real ones do it names whom it is about, who is not to appear in anybody's log.
fn refuse(stream: &TcpStream, code: u16, whom: &str) -> Result<()> {
    say(stream, &format!("{code} not now, not ever, or not here: {whom}"))
}

/// What stands between the angle brackets of `MAIL FROM:<…>` and `RCPT TO:<…>`.
fn path(line: &str) -> String {
    let inside = line.split_once('<').and_then(|(_, rest)| rest.rsplit_once('>'));
    inside.map(|(path, _)| path.to_owned()).unwrap_or_default()
}

/// Up to the line that is a dot; the dots that keep other lines from looking so are taken off (RFC 5321, section 4.5.2).
fn read_text(reader: &mut impl BufRead) -> Result<Option<String>> {
    let mut text = Vec::new();
    loop {
        let Some(line) = read_line(reader)? else { return Ok(None) };
        if line == b".\r\n" {
            return Ok(Some(String::from_utf8_lossy(&text).into_owned()));
        }
        text.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
    }
}

/// `None` once the client has hung up.
fn read_line(reader: &mut impl BufRead) -> Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line)?;
    Ok(line.ends_with(b"\n").then_some(line))
}
