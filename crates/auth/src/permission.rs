use std::fmt;
use std::str::FromStr;

/// Something that a role may allow, such as `orders.place`.
///
/// Only the permissions that this release knows exist: a token or a role may name newer ones, which parse as
/// [`UnknownPermission`] and allow nothing here.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Permission(&'static str);

/// No permission of that name is known to this release.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("is no permission of the shop")]
pub struct UnknownPermission;

impl Permission {
    /// Placing orders.
    pub const ORDERS_PLACE: Self = Self("orders.place");
    /// Opening shops.
    pub const SHOPS_REGISTER: Self = Self("shops.register");
    /// Giving roles to users and taking them.
    pub const ROLES_GRANT: Self = Self("roles.grant");
    /// Reading any user.
    pub const USERS_READ: Self = Self("users.read");
    /// Deleting any user.
    pub const USERS_DELETE: Self = Self("users.delete");
    /// Having a new key sign access tokens.
    pub const SIGNING_KEYS_ROTATE: Self = Self("signing_keys.rotate");
    /// Changing what is known of any book.
    pub const CATALOGUE_MANAGE: Self = Self("catalogue.manage");
    /// Reading any order.
    pub const ORDERS_READ: Self = Self("orders.read");
    /// Cancelling any order, and doing what its shops do.
    pub const ORDERS_MANAGE: Self = Self("orders.manage");
    /// Reading any payment.
    pub const PAYMENTS_READ: Self = Self("payments.read");
    /// Having a payment looked after.
    pub const PAYMENTS_MANAGE: Self = Self("payments.manage");
    /// Giving money back.
    pub const PAYMENTS_REFUND: Self = Self("payments.refund");
    /// Reading what is told to whom.
    pub const DELIVERIES_READ: Self = Self("deliveries.read");
    /// Reading, replaying and discarding the events that services gave up.
    pub const DEAD_LETTERS_MANAGE: Self = Self("dead_letters.manage");

    /// Every permission there is.
    pub const ALL: &'static [Self] = &[
        Self::ORDERS_PLACE,
        Self::SHOPS_REGISTER,
        Self::ROLES_GRANT,
        Self::USERS_READ,
        Self::USERS_DELETE,
        Self::SIGNING_KEYS_ROTATE,
        Self::CATALOGUE_MANAGE,
        Self::ORDERS_READ,
        Self::ORDERS_MANAGE,
        Self::PAYMENTS_READ,
        Self::PAYMENTS_MANAGE,
        Self::PAYMENTS_REFUND,
        Self::DELIVERIES_READ,
        Self::DEAD_LETTERS_MANAGE,
    ];

    /// As tokens and the contract write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0
    }
}

impl FromStr for Permission {
    type Err = UnknownPermission;

    fn from_str(name: &str) -> Result<Self, UnknownPermission> {
        Self::ALL.iter().find(|known| known.0 == name).copied().ok_or(UnknownPermission)
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

impl fmt::Debug for Permission {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}
