use std::fmt;
use std::str::FromStr;

/// The name of a role, such as `shop_owner`. Which roles there are is the database's to say.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Role(String);

/// The text can't be the name of a role.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("must be the name of a role: `customer`, `shop_owner` or `admin`")]
pub(crate) struct RoleError;

impl Role {
    const MAX_CHARACTERS: usize = 32;

    /// Who runs the shop.
    pub(crate) fn admin() -> Self {
        Self("admin".to_owned())
    }

    pub(crate) fn is_admin(&self) -> bool {
        self.0 == "admin"
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_name = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        let is_right = is_name && (1..=Self::MAX_CHARACTERS).contains(&text.len());
        is_right.then(|| Self(text.to_owned())).ok_or(RoleError)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_roles_are_short_and_lower_case() {
        for text in ["admin", "shop_owner", &"x".repeat(32)] {
            assert_eq!(text.parse::<Role>().unwrap().as_str(), text);
        }
        for text in ["", "Admin", " admin", "shop-owner", "käufer", &"x".repeat(33)] {
            assert_eq!(text.parse::<Role>(), Err(RoleError), "{text}");
        }
    }
}
