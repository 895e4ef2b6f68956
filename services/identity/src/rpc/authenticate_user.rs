use proto::identity::v1 as pb;
use secrecy::ExposeSecret;
use values::{EmailAddress, SessionId, Violations};

use super::IdentityService;
use crate::domain::Password;
use crate::error::{Error, Result};
use crate::store::users;

/// Exchanges an e-mail address and a password for an access token.
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
    let user = users::find_by_email(&identity.db, &email).await?;
    let stored = user.as_ref().map(|user| user.password_hash.as_str());
    let is_right = identity.passwords.verify(password, stored).await?;
    let user = user.filter(|_| is_right).ok_or(Error::WrongCredentials)?;
    let issued = identity.issuer.issue(user.user_id(), SessionId::new(), identity.clock.now())?;
    Ok(pb::AuthenticateUserResponse {
        access_token: issued.token.expose_secret().to_owned(),
        expire_time: Some(server::wire::timestamp(issued.expires_at)),
        user: Some(user.into()),
    })
}

fn parse(wire: &pb::AuthenticateUserRequest) -> std::result::Result<(EmailAddress, Password), Violations> {
    let mut violations = Violations::new();
    let email = violations.parse("email", &wire.email);
    let password = violations.take("password", Password::claimed(&wire.password));
    violations.finish(email.zip(password))
}
