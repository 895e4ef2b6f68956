//! One service's certificate.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use tls::{
    SpiffeId,
    authority::{Authority, BACKDATED, Certificate},
};

use crate::wanted::{Service, Wanted};

use super::{Data, Found, Refused, authorities::Authorities};

const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";
pub(super) const ROOTS: &str = "ca.crt";

/// What is to become of it.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// Somebody else looks after it: cert-manager, or a person.
    NotOurs {
        left: Duration,
    },
    Keep {
        left: Duration,
    },
    /// Only whom to trust has changed.
    Roots,
    Issue(Why),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Why {
    Missing,
    Malformed,
    OtherNames,
    OtherAuthority,
    Due,
}

impl fmt::Display for Why {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Missing => "made",
            Self::Malformed => "made anew, it could not be read",
            Self::OtherNames => "made anew, for other names",
            Self::OtherAuthority => "made anew, by the present authority",
            Self::Due => "renewed",
        })
    }
}

fn read(found: &Found) -> Option<Certificate> {
    let pem = found.data.get(CERTIFICATE).filter(|_| found.data.contains_key(KEY))?;
    Certificate::from_pem(std::str::from_utf8(pem).ok()?).ok()
}

pub(super) fn judge(
    found: Option<&Found>,
    service: &Service,
    wanted: &Wanted,
    authorities: &Authorities,
    now: SystemTime,
) -> Result<Verdict, Refused> {
    let Some(found) = found else { return Ok(Verdict::Issue(Why::Missing)) };
    let certificate = read(found);
    if !found.is_ours {
        let left = certificate.map(|certificate| certificate.validity().left(now));
        return Ok(Verdict::NotOurs { left: left.unwrap_or_default() });
    }
    let Some(certificate) = certificate else { return Ok(Verdict::Issue(Why::Malformed)) };
    let id = wanted.id(service)?;
    if certificate.id() != Some(id) || certificate.dns_names() != wanted.dns_names(service) {
        return Ok(Verdict::Issue(Why::OtherNames));
    }
    if certificate.validity().is_due(now) {
        return Ok(Verdict::Issue(Why::Due));
    }
    let signer = authorities.signer(wanted.lives.settle, now);
    if !signer.is_some_and(|signer| signer.vouches_for(&certificate, now)) {
        return Ok(Verdict::Issue(Why::OtherAuthority));
    }
    if found.data.get(ROOTS).is_none_or(|roots| *roots != authorities.roots().as_bytes()) {
        return Ok(Verdict::Roots);
    }
    Ok(Verdict::Keep { left: certificate.validity().left(now) })
}

/// Whether it is the newest authority's, and every process has had the time to notice.
pub(super) fn is_settled(
    found: Option<&Found>,
    authorities: &Authorities,
    settle: Duration,
    now: SystemTime,
) -> bool {
    let Some(found) = found.filter(|found| found.is_ours) else {
        // Made now, or not by us: it doesn't hang on the old one.
        return true;
    };
    read(found).is_some_and(|certificate| {
        certificate.validity().age(now) >= BACKDATED + settle
            && authorities.newest().is_some_and(|newest| newest.vouches_for(&certificate, now))
    })
}

pub(super) fn issue(
    service: &Service,
    wanted: &Wanted,
    signer: &Authority,
    authorities: &Authorities,
    now: SystemTime,
) -> Result<(Data, SpiffeId), Refused> {
    let id = wanted.id(service)?;
    let names = wanted.dns_names(service);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let issued = signer.issue(&id, &names, now, wanted.lives.certificate)?;
    let texts = [(CERTIFICATE, issued.certificate_pem), (KEY, issued.key_pem), (ROOTS, authorities.roots())];
    Ok((texts.map(|(name, text)| (name.to_owned(), text.into_bytes())).into(), id))
}
