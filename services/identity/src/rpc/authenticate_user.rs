use proto::identity::v1 as pb;
use sea_orm::TransactionTrait;
use values::{EmailAddress, Violations};

use super::IdentityService;
use crate::domain::Password;
use crate::error::{Error, Result};
use crate::refresh::RefreshToken;
use crate::sign_in::{self, GoesOnWith};
use crate::store::{refresh_tokens, sessions, users};

/// Exchanges an e-mail address and a password for the first tokens of a session.
///
/// An unknown address and a wrong password take the same path, the same work and get the same answer (OWASP ASVS
/// 6.3.8), so that nobody can find out here who is a customer.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field · `UNAUTHENTICATED` wrong e-mail address or password · `RESOURCE_EXHAUSTED` too
/// many sign-ins at once
pub(super) async fn authenticate_user(
    identity: &IdentityService,
    wire: pb::AuthenticateUserRequest,
) -> Result<pb::AuthenticateUserResponse> {
    let (email, password) = parse(&wire)?;
    let known = users::find_by_email(&identity.db, &email).await?;
    let stored = known.as_ref().map(|known| known.user.password_hash.as_str());
    let is_right = identity.passwords.verify(password, stored).await?;
    let user = known.filter(|_| is_right).ok_or(Error::WrongCredentials)?.user;
    let token = RefreshToken::random()?;
    let tx = identity.db.begin().await?;
    // After the password, which takes long: it may have been changed meanwhile, to end all sessions.
    if !users::lock_with_password(&tx, user.user_id(), &user.password_hash).await? {
        return Err(Error::WrongCredentials);
    }
    let session = sessions::begin(&tx, user.user_id()).await?;
    let ttl = identity.refresh_tokens.ttl();
    let expires_at = refresh_tokens::issue(&tx, session, &token.hash(), ttl).await?;
    let user = users::find_with_access(&tx, user.user_id()).await?.ok_or(Error::WrongCredentials)?;
    let key = identity.keys.current(&tx).await?;
    fault::around("identity.authenticate_user.commit", tx.commit()).await?;
    sign_in::answer(identity, key, user, &GoesOnWith { session, token, expires_at })
}

fn parse(wire: &pb::AuthenticateUserRequest) -> std::result::Result<(EmailAddress, Password), Violations> {
    let mut violations = Violations::new();
    let email = violations.parse("email", &wire.email);
    let password = violations.take("password", Password::claimed(&wire.password));
    violations.finish(email.zip(password))
}
