use std::{fmt, time::Duration};

use crate::{Replica, Service};

/// Something that goes wrong for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// Since the round began.
    pub(super) after: Duration,
    pub(super) lasting: Duration,
    pub(super) act: Act,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// SIGKILL, and a start afterwards.
    Kill(Vec<Replica>),
    /// SIGSTOP, and SIGCONT afterwards.
    Pause(Vec<Replica>),
    /// A start with crash points armed (`order.place.commit.after:2`), of which the first that is met strikes; and a start
    /// without after it has.
    Crash { replica: Replica, points: Vec<String> },
    /// All replicas of a service, stopped in good order and started one after the other.
    Restart(Vec<Replica>),
    /// SIGKILL of the broker, and a start afterwards.
    KillBroker,
    /// SIGSTOP of the broker, and SIGCONT afterwards.
    PauseBroker,
    /// SIGKILL of the broker; it comes back with what it had when the fault began: everything, or one half of it, so that
    /// consumers begin again behind what they have handled, or stand ahead of their streams.
    LoseTail(Lost),
    /// SIGKILL of the broker; it comes back with an empty store.
    WipeBroker,
    /// The database refuses connections and ends those there are.
    CloseDatabase(Service),
    /// The database takes connections and answers nothing.
    StallDatabase(Service),
    /// Whatever the database says comes late.
    SlowDatabase(Service),
    /// The connections that there are lead nowhere, and nobody is told; new ones are made as usual.
    ForgetDatabase(Service),
    /// Every session of the database is ended, once at either end of the fault.
    SeverDatabase(Service),
    /// SIGSTOP; the lock on the outbox is taken from whoever holds it; SIGCONT: two publish, or believe that they may.
    SplitRelay(Replica),
}

/// Which part of what a broker has stored goes back to what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    Messages,
    Consumers,
    Both,
}

/// Every kind, sorted.
#[cfg(test)]
pub(super) const KINDS: [&str; 16] = [
    "broker consumers lost",
    "broker killed",
    "broker messages lost",
    "broker paused",
    "broker tail lost",
    "broker wiped",
    "crash point",
    "database closed",
    "database forgets",
    "database severed",
    "database slow",
    "database stalled",
    "kill",
    "pause",
    "relay split",
    "rolling restart",
];

/// What a fault has to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    Replica(Replica),
    Database(Service),
    Broker,
}

impl Act {
    pub(super) fn targets(&self) -> Vec<Target> {
        match self {
            Self::Kill(replicas) | Self::Pause(replicas) | Self::Restart(replicas) => {
                replicas.iter().copied().map(Target::Replica).collect()
            }
            Self::Crash { replica, .. } => vec![Target::Replica(*replica)],
            Self::KillBroker | Self::PauseBroker | Self::LoseTail(_) | Self::WipeBroker => {
                vec![Target::Broker]
            }
            Self::CloseDatabase(service)
            | Self::StallDatabase(service)
            | Self::SlowDatabase(service)
            | Self::ForgetDatabase(service)
            | Self::SeverDatabase(service) => vec![Target::Database(*service)],
            Self::SplitRelay(replica) => {
                vec![Target::Replica(*replica), Target::Database(replica.service)]
            }
        }
    }

    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Kill(_) => "kill",
            Self::Pause(_) => "pause",
            Self::Crash { .. } => "crash point",
            Self::Restart(_) => "rolling restart",
            Self::KillBroker => "broker killed",
            Self::PauseBroker => "broker paused",
            Self::LoseTail(Lost::Both) => "broker tail lost",
            Self::LoseTail(Lost::Messages) => "broker messages lost",
            Self::LoseTail(Lost::Consumers) => "broker consumers lost",
            Self::WipeBroker => "broker wiped",
            Self::CloseDatabase(_) => "database closed",
            Self::StallDatabase(_) => "database stalled",
            Self::SlowDatabase(_) => "database slow",
            Self::ForgetDatabase(_) => "database forgets",
            Self::SeverDatabase(_) => "database severed",
            Self::SplitRelay(_) => "relay split",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.act.kind())?;
        match &self.act {
            Act::Crash { replica, points } => write!(formatter, " (of {}) {replica}", points.len())?,
            act => {
                for target in act.targets() {
                    match target {
                        Target::Replica(replica) => write!(formatter, " {replica}")?,
                        Target::Database(service) => write!(formatter, " {}", service.name())?,
                        Target::Broker => {}
                    }
                }
            }
        }
        let (from, to) = (self.after, self.after + self.lasting);
        write!(formatter, " at {:.1}-{:.1} s", from.as_secs_f64(), to.as_secs_f64())
    }
}
