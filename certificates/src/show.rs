//! Saying what is there.

use std::{fmt, time::SystemTime};

use tls::authority::Certificate;

use crate::{
    plan::{AUTHORITIES, Found, Secrets, days},
    wanted::Service,
};

/// A line each certificate.
#[derive(Debug)]
pub struct Report(Vec<Line>);

#[derive(Debug)]
struct Line {
    secret: String,
    told: String,
    is_good: bool,
}

/// The Secrets that certificates are in.
#[must_use]
pub fn secrets(services: &[Service]) -> Vec<String> {
    std::iter::once(AUTHORITIES.to_owned()).chain(services.iter().map(Service::secret)).collect()
}

/// What is there, and for how long it is still good.
#[must_use]
pub fn report(found: &Secrets, services: &[Service], now: SystemTime) -> Report {
    let mut lines = vec![line(AUTHORITIES, found.get(AUTHORITIES), "tls.crt", now)];
    if let Some(there) = found.get(AUTHORITIES).filter(|there| there.data.contains_key("previous.crt")) {
        lines.push(line("bookstore-ca, the one before", Some(there), "previous.crt", now));
    }
    lines.extend(services.iter().map(Service::secret).map(|secret| {
        let there = found.get(&secret);
        line(&secret, there, "tls.crt", now)
    }));
    Report(lines)
}

fn line(secret: &str, found: Option<&Found>, key: &str, now: SystemTime) -> Line {
    let told = |told: String, is_good| Line { secret: secret.to_owned(), told, is_good };
    let Some(found) = found else { return told("missing".to_owned(), false) };
    let pem = found.data.get(key).map(|pem| String::from_utf8_lossy(pem));
    let Some(certificate) = pem.and_then(|pem| Certificate::from_pem(&pem).ok()) else {
        return told(format!("holds no certificate in {key}"), false);
    };
    let name = certificate.id().map_or_else(|| "an authority".to_owned(), |id| id.to_string());
    let validity = certificate.validity();
    let left = validity.left(now);
    if left.is_zero() {
        return told(format!("{name}, has ended"), false);
    }
    let due = if validity.is_due(now) { ", due" } else { "" };
    let by = if found.is_ours { "" } else { ", somebody else's" };
    told(format!("{name}, {} left{due}{by}", days(left)), true)
}

impl Report {
    /// Whether every certificate is there and valid.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.0.iter().all(|line| line.is_good)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Line { secret, told, .. } in &self.0 {
            writeln!(formatter, "{secret}: {told}")?;
        }
        Ok(())
    }
}
