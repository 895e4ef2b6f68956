use proto::identity::v1 as pb;
use secrecy::ExposeSecret;
use values::{EmailAddress, Violations};

use super::IdentityService;
use crate::domain::Password;
use crate::error::{Error, Result};
use crate::store::users::UserWithRoles;
use crate::store::{sessions, users};

/// Exchanges an e-mail address and a password for an access token, the first of a session.
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
    // After the password, which takes long: what the user may do is read as late as can be.
    let begun = sessions::begin(&identity.db, user.user_id()).await?.ok_or(Error::WrongCredentials)?;
    let issued = identity.issuer.issue(user.user_id(), begun.session, &begun.access, identity.clock.now())?;
    Ok(pb::AuthenticateUserResponse {
        access_token: issued.token.expose_secret().to_owned(),
        expire_time: Some(server::wire::timestamp(issued.expires_at)),
        user: Some(UserWithRoles { user, roles: begun.roles }.into()),
        refresh_token: String::new(),
        refresh_expire_time: None,
    })
}

fn parse(wire: &pb::AuthenticateUserRequest) -> std::result::Result<(EmailAddress, Password), Violations> {
    let mut violations = Violations::new();
    let email = violations.parse("email", &wire.email);
    let password = violations.take("password", Password::claimed(&wire.password));
    violations.finish(email.zip(password))
}
