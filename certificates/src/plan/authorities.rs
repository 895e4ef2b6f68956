//! The authority that signs, and the one before or after it.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use tls::authority::{Authority, BACKDATED};

use crate::wanted::Wanted;

use super::{AUTHORITIES, Data, Found, Refused};

const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";
const PREVIOUS_CERTIFICATE: &str = "previous.crt";
const PREVIOUS_KEY: &str = "previous.key";

/// Newest first: one, or two while one takes over from the other.
#[derive(Debug)]
pub(super) struct Authorities(Vec<Authority>);

/// What has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Change {
    Made,
    Succeeded,
    Forgotten,
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Made => "made: a new authority",
            Self::Succeeded => "a new authority is trusted from now on; it signs once everybody knows it",
            Self::Forgotten => "the old authority is gone: nobody has a certificate of it any more",
        })
    }
}

impl Authorities {
    pub(super) fn of(found: Option<&Found>) -> Result<Self, Refused> {
        let Some(found) = found else { return Ok(Self(Vec::new())) };
        let unusable = || Refused::Unusable {
            secret: AUTHORITIES.to_owned(),
            problem: "has no authority's certificate and key in tls.crt and tls.key: put them back, or delete the \
                      Secret, and all certificates are made anew at once",
        };
        let text = |key: &str| {
            let bytes = found.data.get(key).ok_or_else(unusable)?;
            std::str::from_utf8(bytes).map_err(|_| unusable())
        };
        let read = |certificate: &str, key: &str| {
            Authority::from_pem(text(certificate)?, text(key)?).map_err(|_| unusable())
        };
        let mut authorities = vec![read(CERTIFICATE, KEY)?];
        if found.data.contains_key(PREVIOUS_CERTIFICATE) {
            authorities.push(read(PREVIOUS_CERTIFICATE, PREVIOUS_KEY)?);
        }
        Ok(Self(authorities))
    }

    pub(super) fn to_data(&self) -> Data {
        let names = [(CERTIFICATE, KEY), (PREVIOUS_CERTIFICATE, PREVIOUS_KEY)];
        let texts = self.0.iter().zip(names).flat_map(|(authority, (certificate, key))| {
            [(certificate, authority.certificate_pem().to_owned()), (key, authority.key_pem())]
        });
        texts.map(|(name, text)| (name.to_owned(), text.into_bytes())).collect()
    }

    pub(super) fn newest(&self) -> Option<&Authority> {
        self.0.first()
    }

    /// Who signs: the newest, as soon as everybody trusts it.
    pub(super) fn signer(&self, settle: Duration, now: SystemTime) -> Option<&Authority> {
        let is_known = |authority: &&Authority| authority.validity().age(now) >= BACKDATED + settle;
        let is_valid = |authority: &&Authority| !authority.validity().left(now).is_zero();
        self.0.iter().filter(is_valid).find(is_known).or_else(|| self.newest())
    }

    /// What peers trust.
    pub(super) fn roots(&self) -> String {
        self.0.iter().map(Authority::certificate_pem).collect()
    }

    /// Goes the next step, if it is time for one.
    pub(super) fn advance(
        &mut self,
        wanted: &Wanted,
        now: SystemTime,
        is_settled: impl Fn(&Self) -> bool,
    ) -> Result<Option<Change>, Refused> {
        let life = wanted.lives.authority;
        let generate = || Authority::generate("Bookstore", now, life);
        let Some(newest) = self.newest() else {
            self.0.push(generate()?);
            return Ok(Some(Change::Made));
        };
        let (is_due, has_ended) = (newest.validity().is_due(now), newest.validity().left(now).is_zero());
        if self.0.len() > 1 {
            let previous_ended = self.0[1].validity().left(now).is_zero();
            if previous_ended || is_settled(self) {
                self.0.truncate(1);
                return Ok(Some(Change::Forgotten));
            }
            return if wanted.new_authority { Err(Refused::UnderWay) } else { Ok(None) };
        }
        if !(is_due || wanted.new_authority) {
            return Ok(None);
        }
        self.0.insert(0, generate()?);
        // Nobody accepts what an authority has signed that has ended: there is nothing to wait for.
        if has_ended {
            self.0.truncate(1);
            return Ok(Some(Change::Made));
        }
        Ok(Some(Change::Succeeded))
    }
}
