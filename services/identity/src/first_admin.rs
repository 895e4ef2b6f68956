//! The first admin, whom no admin could have made.

use sea_orm::{DatabaseTransaction, DbErr, TransactionTrait};
use server::database::is_down;
use values::UserId;

use crate::access;
use crate::config::{Account, FirstAdmin};
use crate::domain::{NewUser, Role};
use crate::error::Error;
use crate::events::published;
use crate::passwords::HashError;
use crate::rpc::IdentityService;
use crate::store::{roles, users};

/// Why nobody became admin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FirstAdminError {
    /// Anybody can register an address, and must not become admin by having been faster than its owner.
    #[error(
        "BOOKSTORE_ADMIN_EMAIL is registered with another password than BOOKSTORE_ADMIN_PASSWORD: \
         set that user's password if it is the right user, or else another address"
    )]
    SomebodyElse,
    #[error(transparent)]
    Hashing(#[from] HashError),
    #[error(transparent)]
    Database(#[from] DbErr),
    #[error(transparent)]
    Refused(#[from] Error),
}

impl FirstAdminError {
    pub(crate) fn is_database_down(&self) -> bool {
        match self {
            Self::Database(error) => is_down(error),
            Self::Refused(error) => error.is_database_down(),
            Self::SomebodyElse | Self::Hashing(_) => false,
        }
    }
}

/// Who is to become admin.
enum Appointee {
    Registered(UserId),
    /// Yet to be registered, with the hash of their password.
    New(NewUser, String),
}

/// Makes the configured user admin if there is none: registers them if need be, and leaves a password that is set as it
/// is. Any number of replicas may do so at once.
pub(crate) async fn appoint(identity: &IdentityService, first: &FirstAdmin) -> Result<(), FirstAdminError> {
    if roles::is_held(&identity.db, &Role::admin()).await? {
        return Ok(());
    }
    let Some(account) = first.0.clone() else {
        tracing::warn!(
            "nobody is admin: set BOOKSTORE_ADMIN_EMAIL and BOOKSTORE_ADMIN_PASSWORD to make somebody it"
        );
        return Ok(());
    };
    let appointee = appointee(identity, account).await?;
    let tx = identity.db.begin().await?;
    // Another replica may have come first: it has the lock, or somebody is admin after it.
    roles::lock(&tx, &Role::admin()).await?;
    if roles::is_held(&tx, &Role::admin()).await? {
        return Ok(());
    }
    let user = registered(identity, &tx, appointee).await?;
    let changed = access::grant(&tx, None, user, &Role::admin()).await?;
    fault::around("identity.first_admin.commit", tx.commit()).await?;
    identity.in_force(changed);
    tracing::info!(user.id = %user, "the first admin is made, as configured");
    Ok(())
}

/// Outside of the transaction, since passwords take long.
async fn appointee(identity: &IdentityService, account: Account) -> Result<Appointee, FirstAdminError> {
    let Some(holder) = users::find_by_email(&identity.db, &account.email).await? else {
        let new = NewUser::first_admin(account).map_err(Error::from)?;
        let hash = identity.passwords.hash(new.password.clone()).await?;
        return Ok(Appointee::New(new, hash));
    };
    let hash = Some(holder.user.password_hash.as_str());
    let is_theirs = identity.passwords.verify(account.password, hash).await?;
    if is_theirs {
        Ok(Appointee::Registered(holder.user.user_id()))
    } else {
        Err(FirstAdminError::SomebodyElse)
    }
}

async fn registered(
    identity: &IdentityService,
    tx: &DatabaseTransaction,
    appointee: Appointee,
) -> Result<UserId, FirstAdminError> {
    let (new, hash) = match appointee {
        Appointee::Registered(user) => return Ok(user),
        Appointee::New(new, hash) => (new, hash),
    };
    // Somebody registered the address since it was looked up: the next start finds out who.
    let user = users::insert(tx, &new, hash, identity.clock.now()).await?.ok_or(Error::EmailTaken)?;
    let event = published::user_registered(user).map_err(Error::from)?;
    ::events::outbox::append(tx, &[event]).await?;
    Ok(user)
}
