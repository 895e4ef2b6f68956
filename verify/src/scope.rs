use std::{collections::HashSet, time::Duration};

use anyhow::Result;
use uuid::Uuid;
use values::OrderId;

/// What is looked at, and how calm it must be.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Orders that the shop has answered with OK.
    pub(crate) placed: HashSet<Uuid>,
    /// Whether all others are looked at too.
    pub(crate) everything: bool,
    /// How long nothing must have happened to what the services must agree on. Nothing: the whole shop is quiet.
    pub(crate) grace: Duration,
    pub(crate) patience: Patience,
}

/// How long what is under way may take before it counts as stuck.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Orders, payments, refunds, withdrawals, errands, reservations past their time.
    pub work: Duration,
    /// Events, until they are published and handled.
    pub events: Duration,
    /// Mails.
    pub mails: Duration,
}

impl Patience {
    /// For a shop that is open.
    pub const USUAL: Self = Self {
        work: Duration::from_mins(10),
        events: Duration::from_mins(1),
        mails: Duration::from_mins(15),
    };
    /// For a shop in which nothing is under way; a mail server may be away nevertheless.
    const NONE: Self = Self { work: Duration::ZERO, events: Duration::ZERO, mails: Self::USUAL.mails };
}

impl Scope {
    /// A shop that is open, in which only what nothing has happened to for `grace` must have come to an end.
    #[must_use]
    pub fn open(grace: Duration, patience: Patience) -> Self {
        Self { placed: HashSet::new(), everything: true, grace, patience }
    }

    /// A shop in which nothing is under way.
    #[must_use]
    pub fn quiet_now() -> Self {
        Self::open(Duration::ZERO, Patience::NONE)
    }

    /// A shop in which nothing is under way. These orders, which it has answered with OK, must be there.
    ///
    /// # Errors
    /// One is no id of an order.
    pub fn quiet(placed: &[String]) -> Result<Self> {
        Ok(Self { everything: true, ..Self::only(placed)? })
    }

    /// These orders of a shop in which nothing happens to them any more, whatever happens to others.
    ///
    /// # Errors
    /// One is no id of an order.
    pub fn only(placed: &[String]) -> Result<Self> {
        let placed = placed.iter().map(|id| Ok(id.parse::<OrderId>()?.uuid())).collect::<Result<_>>()?;
        Ok(Self { placed, everything: false, grace: Duration::ZERO, patience: Patience::NONE })
    }

    /// For `make_interval(secs => …)`.
    pub(crate) fn grace_seconds(&self) -> f64 {
        self.grace.as_secs_f64()
    }
}
