//! That a caller knows the password: what a stolen access token alone must not be enough for.

use crate::domain::Password;
use crate::error::{Error, Result};
use crate::passwords::Turn;
use crate::store::users;

/// The password that is stored as this hash has just been shown.
pub(crate) struct Proof(String);

impl Proof {
    /// Compares outside of any transaction, since it takes long.
    pub(crate) async fn take(turn: &Turn, user: &users::Model, claimed: Option<Password>) -> Result<Self> {
        let claimed = claimed.ok_or(Error::WrongPassword)?;
        let is_right = turn.verify(claimed, &user.password_hash).await?;
        if is_right { Ok(Self(user.password_hash.clone())) } else { Err(Error::WrongPassword) }
    }

    /// Whether it is still the password, to be asked once the user is locked.
    pub(crate) fn check(&self, locked: &users::Model) -> Result<()> {
        if self.0 == locked.password_hash { Ok(()) } else { Err(Error::WrongPassword) }
    }
}
