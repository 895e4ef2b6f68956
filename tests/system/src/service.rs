/// A service of the shop. Its package, program and database have its name.
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
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Identity, Self::Inventory, Self::Order, Self::Payment];

    /// As its package is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Inventory => "inventory",
            Self::Order => "order",
            Self::Payment => "payment",
        }
    }
}
