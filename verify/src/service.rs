/// A service with a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// Users, credentials, addresses.
    Identity,
    /// Books, stock, reservations.
    Inventory,
    /// Orders.
    Order,
    /// Wallets, the ledger.
    Payment,
    /// E-mails.
    Notification,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Identity, Self::Inventory, Self::Order, Self::Payment, Self::Notification];

    /// As its package and its database are called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Inventory => "inventory",
            Self::Order => "order",
            Self::Payment => "payment",
            Self::Notification => "notification",
        }
    }

    /// The stream that it publishes to, if it tells others anything.
    pub(crate) const fn stream(self) -> Option<&'static str> {
        match self {
            Self::Identity => Some("IDENTITY"),
            Self::Inventory => Some("INVENTORY"),
            Self::Order => Some("ORDER"),
            Self::Payment => Some("PAYMENT"),
            Self::Notification => None,
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.name() == name)
    }
}
