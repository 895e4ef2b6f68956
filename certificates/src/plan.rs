//! Deciding what to write, from what is there and the time. Nothing here asks anybody.
//!
//! Peers must trust a certificate before it is shown to them. So a new authority goes three steps, each a run of its own,
//! and each once the step before has [settled](crate::wanted::Lives::settle): everybody gets its root beside the old one;
//! it signs everybody's certificates; the old root goes.

mod authorities;
mod certificate;
mod keys;

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    time::SystemTime,
};

use tls::{SpiffeIdError, authority::AuthorityError};

use crate::wanted::{Service, Wanted};

use self::{authorities::Authorities, certificate::Verdict};

/// The Secret with the authorities and their keys. No service reads it.
pub const AUTHORITIES: &str = "bookstore-ca";

/// What stands in a Secret.
pub type Data = BTreeMap<String, Vec<u8>>;

/// A Secret that is there.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its content.
    pub data: Data,
    /// Whether this program has made it.
    pub is_ours: bool,
}

/// The Secrets that are there, by name.
pub type Secrets = BTreeMap<String, Found>;

/// What is to become of a Secret.
#[derive(Clone, Debug)]
pub struct Step {
    /// The Secret's name.
    pub secret: String,
    /// Its type, as Kubernetes has it.
    pub kind: &'static str,
    /// What to write; `None` leaves it as it is.
    pub data: Option<Data>,
    /// What people are told.
    pub told: String,
}

/// Why there is nothing that could be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// A Secret that somebody else has made, or changed, lacks something.
    #[error("the Secret {secret} {problem}")]
    Unusable {
        /// Its name.
        secret: String,
        /// What is wrong, and what helps.
        problem: &'static str,
    },
    /// The last change of authority isn't through.
    #[error(
        "a change of authority is under way: run this again, without --new-authority, until the old one is gone"
    )]
    UnderWay,
    /// Somebody's name can't be part of an id.
    #[error("{0}")]
    Id(#[from] SpiffeIdError),
    /// Making a certificate failed.
    #[error(transparent)]
    Making(#[from] AuthorityError),
}

/// Whoever goes over to this program says so by deleting it.
const NOT_OURS: &str = "left as it is: somebody else's (delete it to have one made here)";

pub(crate) const OPAQUE: &str = "Opaque";
/// cert-manager's, too: it may take over.
pub(crate) const TLS: &str = "kubernetes.io/tls";

/// All Secrets that a plan reads.
#[must_use]
pub fn names(wanted: &Wanted) -> Vec<String> {
    let mut names: Vec<String> =
        if wanted.services.is_empty() { Vec::new() } else { vec![AUTHORITIES.into()] };
    names.extend(wanted.services.iter().map(Service::secret));
    names.extend(wanted.accounts.iter().map(|account| account.secret.clone()));
    names.extend(wanted.signing_key.clone());
    names.extend(wanted.admin.iter().map(|admin| admin.secret.clone()));
    let mut seen = HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

/// What is to be done, in this order.
///
/// # Errors
/// A Secret that is in the way; changing nothing is safe.
pub fn plan(found: &Secrets, wanted: &Wanted, now: SystemTime) -> Result<Vec<Step>, Refused> {
    let mut steps = Vec::new();
    if !wanted.services.is_empty() {
        certificates(&mut steps, found, wanted, now)?;
    }
    keys::plan(&mut steps, found, wanted)?;
    Ok(steps)
}

fn certificates(
    steps: &mut Vec<Step>,
    found: &Secrets,
    wanted: &Wanted,
    now: SystemTime,
) -> Result<(), Refused> {
    let mut authorities = Authorities::of(found.get(AUTHORITIES))?;
    let is_settled = |authorities: &Authorities| {
        wanted.services.iter().all(|service| {
            certificate::is_settled(found.get(&service.secret()), authorities, wanted.lives.settle, now)
        })
    };
    // cert-manager's authority, for one: it may sign, and whoever has made it renews it.
    let is_ours = found.get(AUTHORITIES).is_none_or(|there| there.is_ours);
    let change = if is_ours { authorities.advance(wanted, now, is_settled)? } else { None };
    let (Some(present), signer) = (authorities.newest(), authorities.signer(wanted.lives.settle, now)) else {
        return Ok(());
    };
    let told = match &change {
        Some(change) => change.to_string(),
        None if !is_ours => format!("{NOT_OURS}, {} left", days(present.validity().left(now))),
        None => format!("kept, {} left", days(present.validity().left(now))),
    };
    let data = change.is_some().then(|| authorities.to_data());
    steps.push(Step { secret: AUTHORITIES.into(), kind: TLS, data, told });

    for service in &wanted.services {
        let secret = service.secret();
        let there = found.get(&secret);
        let verdict = certificate::judge(there, service, wanted, &authorities, now)?;
        let (data, told) = match verdict {
            Verdict::NotOurs { left } => (None, format!("{NOT_OURS}, {} left", days(left))),
            Verdict::Keep { left } => (None, format!("kept, {} left", days(left))),
            Verdict::Roots => {
                let mut data = there.map(|there| there.data.clone()).unwrap_or_default();
                data.insert(certificate::ROOTS.into(), authorities.roots().into_bytes());
                (Some(data), "told the authorities to trust now".to_owned())
            }
            Verdict::Issue(why) => {
                let Some(signer) = signer else { continue };
                let (data, id) = certificate::issue(service, wanted, signer, &authorities, now)?;
                let life = days(wanted.lives.certificate.min(signer.validity().left(now)));
                (Some(data), format!("{why}: {id} for {life}"))
            }
        };
        steps.push(Step { secret, kind: TLS, data, told });
    }
    Ok(())
}

/// `89 days`, `5 hours`.
#[must_use]
pub fn days(time: std::time::Duration) -> impl fmt::Display {
    let hours = (time.as_secs() + 30) / 3600;
    match (hours / 24, hours) {
        (0, 1) => "1 hour".to_owned(),
        (0 | 1, hours) => format!("{hours} hours"),
        (days, _) => format!("{days} days"),
    }
}

#[cfg(test)]
mod tests;
