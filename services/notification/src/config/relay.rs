use std::str::FromStr;

/// Who takes our mails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// A mail server.
    Relay(MailRelay),
    /// Nobody: `discard:`. They count as sent. For shops in which nobody is to get mail.
    Discarded,
}

/// A mail server that takes mails from us for everybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailRelay {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What keeps others from reading along.
    pub encryption: Encryption,
}

/// What keeps others from reading along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// Nothing: `smtp://`.
    None,
    /// TLS from the first octet on (RFC 8314): `smtps://`.
    Tls,
    /// TLS before the first mail (RFC 3207); without it nothing is sent: `smtp://…?tls=required`.
    StartTls,
}

/// The text is no URL of a mail server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailRelayError {
    /// Of another form.
    #[error("must be a URL like smtps://mail.example.org:465")]
    Malformed,
    /// With an account, which URLs show to everybody who sees the configuration.
    #[error("must not carry the account, which goes into BOOKSTORE_SMTP_USER and BOOKSTORE_SMTP_PASSWORD")]
    Account,
}

impl FromStr for Outgoing {
    type Err = MailRelayError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "discard:" { Ok(Self::Discarded) } else { text.parse().map(Self::Relay) }
    }
}

impl FromStr for MailRelay {
    type Err = MailRelayError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (scheme, rest) = text.split_once("://").ok_or(MailRelayError::Malformed)?;
        if rest.contains('@') {
            return Err(MailRelayError::Account);
        }
        let (authority, query) =
            rest.split_once('?').map_or((rest, None), |(before, query)| (before, Some(query)));
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        // The usual ports: relaying (RFC 5321), submission (RFC 6409), submission over TLS (RFC 8314).
        let (encryption, usual) = match (scheme, query) {
            ("smtp", None) => (Encryption::None, 25),
            ("smtp", Some("tls=required")) => (Encryption::StartTls, 587),
            ("smtps", None) => (Encryption::Tls, 465),
            _ => return Err(MailRelayError::Malformed),
        };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !authority.ends_with(']') => {
                (host, port.parse().map_err(|_| MailRelayError::Malformed)?)
            }
            _ => (authority, usual),
        };
        let is_literal = host.starts_with('[') && host.ends_with(']');
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let is_host = |octet: u8| octet.is_ascii_alphanumeric() || b".-_".contains(&octet);
        let is_sound = if is_literal {
            host.parse::<std::net::Ipv6Addr>().is_ok()
        } else {
            !host.is_empty() && host.bytes().all(is_host)
        };
        if !is_sound {
            return Err(MailRelayError::Malformed);
        }
        Ok(Self { host: host.to_owned(), port, encryption })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_server_is_read_with_its_usual_port() {
        for (text, host, port, encryption) in [
            ("smtp://localhost", "localhost", 25, Encryption::None),
            ("smtp://127.0.0.1:2525/", "127.0.0.1", 2525, Encryption::None),
            ("smtp://mail.example.org?tls=required", "mail.example.org", 587, Encryption::StartTls),
            ("smtps://mail.example.org", "mail.example.org", 465, Encryption::Tls),
            ("smtps://[::1]:466", "::1", 466, Encryption::Tls),
            ("smtps://[::1]", "::1", 465, Encryption::Tls),
        ] {
            assert_eq!(text.parse(), Ok(MailRelay { host: host.to_owned(), port, encryption }), "{text}");
        }
    }

    #[test]
    fn only_what_says_so_is_discarded() {
        assert_eq!("discard:".parse(), Ok(Outgoing::Discarded));
        assert!(matches!("smtp://localhost".parse(), Ok(Outgoing::Relay(_))));
        assert_eq!("discard".parse::<Outgoing>(), Err(MailRelayError::Malformed));
    }

    #[test]
    fn what_is_no_mail_server_is_refused() {
        for text in [
            "localhost:25",
            "http://localhost",
            "smtp://",
            "smtp://localhost:mail",
            "smtp://local host",
            "smtp://localhost?tls=never",
            "smtp://localhost\r\n:25",
            "smtps://::1",
        ] {
            assert_eq!(text.parse::<MailRelay>(), Err(MailRelayError::Malformed), "{text}");
        }
        assert_eq!("smtps://shop:hunter2@host".parse::<MailRelay>(), Err(MailRelayError::Account));
    }
}
