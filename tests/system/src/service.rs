/// A service of the shop. Its package and program have its name, and its database if it has one.
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
    /// The one door, without a database.
    Gateway,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Identity, Self::Inventory, Self::Order, Self::Payment, Self::Notification, Self::Gateway];
    /// Those with a database.
    pub const WITH_DATABASE: [Self; 5] =
        [Self::Identity, Self::Inventory, Self::Order, Self::Payment, Self::Notification];

    /// As its package is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Inventory => "inventory",
            Self::Order => "order",
            Self::Payment => "payment",
            Self::Notification => "notification",
            Self::Gateway => "gateway",
        }
    }

    /// One of its replicas, counted from 0.
    #[must_use]
    pub const fn replica(self, number: usize) -> Replica {
        Replica { service: self, number }
    }
}

/// One process of a service. The first, if a service is named alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Replica {
    /// Which service.
    pub service: Service,
    /// Counted from 0.
    pub number: usize,
}

impl From<Service> for Replica {
    fn from(service: Service) -> Self {
        service.replica(0)
    }
}

impl std::fmt::Display for Replica {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}.{}", self.service.name(), self.number)
    }
}
