use std::fmt;

/// Something that is looked at, by a name of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Check {
    /// Shelves against their movements and the open reservations.
    Shelves,
    /// Reservations against the movements that they made.
    Reservations,
    /// Wallets against their ledger entries.
    Wallets,
    /// Transfers: between which accounts, and whose.
    Transfers,
    /// Payments against their captures and refunds.
    Payments,
    /// Withdrawals against their transfers.
    Withdrawals,
    /// What the card gateway remembers against what the ledger says that it holds.
    Cards,
    /// What the card gateway is to be asked against what waits for its answer.
    Errands,
    /// Orders: their lines, their state, their shipments and returns.
    Orders,
    /// Histories: a legal path to where the order stands.
    Histories,
    /// Orders against their payments.
    OrderPayments,
    /// Orders against their reservations.
    OrderStock,
    /// Returns against what was refunded and put back.
    Returns,
    /// Reservations and payments of no order; orders that were answered with OK and are not there.
    Strangers,
    /// Shops' members against the copy of them.
    Members,
    /// What happened against what was told of it.
    Announcements,
    /// Outboxes: nothing waits, nothing was refused.
    Outboxes,
    /// Streams against outboxes.
    Streams,
    /// Consumers: each is there, and none ahead of its stream.
    Consumers,
    /// Inboxes against outboxes: all was handled, and nothing that nobody told.
    Inboxes,
    /// Messages that were given up.
    DeadLetters,
    /// What people are told against what happened.
    Deliveries,
    /// What is under way for too long.
    Stuck,
}

impl Check {
    /// As it is called in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Shelves => "shelves",
            Self::Reservations => "reservations",
            Self::Wallets => "wallets",
            Self::Transfers => "transfers",
            Self::Payments => "payments",
            Self::Withdrawals => "withdrawals",
            Self::Cards => "cards",
            Self::Errands => "errands",
            Self::Orders => "orders",
            Self::Histories => "histories",
            Self::OrderPayments => "order-payments",
            Self::OrderStock => "order-stock",
            Self::Returns => "returns",
            Self::Strangers => "strangers",
            Self::Members => "members",
            Self::Announcements => "announcements",
            Self::Outboxes => "outboxes",
            Self::Streams => "streams",
            Self::Consumers => "consumers",
            Self::Inboxes => "inboxes",
            Self::DeadLetters => "dead-letters",
            Self::Deliveries => "deliveries",
            Self::Stuck => "stuck",
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}
