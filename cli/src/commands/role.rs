//! `role grant|revoke`.

use clap::{Args, Subcommand};
use proto::identity::v1::{GetUserRequest, GrantRoleRequest, RevokeRoleRequest, User};
use tonic::Code;

use crate::{
    failure::{self, Failure},
    gateway::Gateway,
    output::Output,
    request,
    session::Session,
};

/// What it takes to find somebody by their e-mail address.
const USERS_READ: &str = "users.read";

#[derive(Subcommand)]
pub(crate) enum Role {
    /// Give somebody a role; they sign in again to use it
    #[command(after_long_help = "Example:\n  bookstore role grant shop_owner --email bea@example.com")]
    Grant(Change),
    /// Take a role from somebody, at once; they sign in again
    #[command(after_long_help = "Example:\n  bookstore role revoke shop_owner --email bea@example.com")]
    Revoke(Change),
}

#[derive(Args)]
pub(crate) struct Change {
    /// `customer` may place orders, `shop_owner` may open shops, `admin` runs the shop
    role: String,
    /// The e-mail address they sign in with
    #[arg(long)]
    email: String,
}

impl Role {
    pub(crate) async fn run(self, at: &Gateway, output: &Output) -> Result<(), Failure> {
        let session = Session::load()?;
        let is_grant = matches!(self, Self::Grant(_));
        let (Self::Grant(change) | Self::Revoke(change)) = self;
        let before = find(at, &session, change.email).await?;
        let identity = at.identity().await?;
        let (user_id, role) = (before.user_id.clone(), change.role);
        let user = request::change_again(async || {
            let (user_id, role, mut identity) = (user_id.clone(), role.clone(), identity.clone());
            if is_grant {
                identity.grant_role(session.sign(GrantRoleRequest { user_id, role })).await
            } else {
                identity.revoke_role(session.sign(RevokeRoleRequest { user_id, role })).await
            }
        })
        .await?;
        let is_self = user.user_id == session.user_id;
        output.answer(&user, |user| told(&before, user, is_self));
        Ok(())
    }
}

/// Whoever signs in with the address. Users who may not see others are told so, not that there is nobody.
async fn find(at: &Gateway, session: &Session, email: String) -> Result<User, Failure> {
    let identity = at.identity().await?;
    let get = async |email: &str| {
        request::repeat(async || {
            let request = GetUserRequest { user_id: String::new(), email: email.to_owned() };
            identity.clone().get_user(session.sign(request)).await
        })
        .await
    };
    let found = get(&email).await;
    if let Err(Failure::Refused(refusal)) = &found
        && refusal.status.code() == Code::NotFound
    {
        let role = failure::role_with(USERS_READ);
        if !get("").await?.roles.iter().any(|own| own == role) {
            let advice = failure::permission(USERS_READ).join("\n  ");
            return Err(Failure::not_possible(format!("this takes the permission {USERS_READ}\n  {advice}")));
        }
        return Err(Failure::not_possible(format!("nobody signs in with {email}")));
    }
    found
}

fn told(before: &User, after: &User, is_self: bool) -> String {
    let (name, roles) = (&after.display_name, after.roles.join(", "));
    let roles = if roles.is_empty() { "nothing".to_owned() } else { roles };
    if before.roles == after.roles {
        return format!("{name} stays: {roles}. Nothing has changed.");
    }
    let who = if is_self { "You" } else { name };
    let signs = if is_self { "Sign in again" } else { "They sign in again" };
    let is = if is_self { "are" } else { "is" };
    format!("{who} {is} now: {roles}. {signs}: what was signed in before is signed out.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bea(roles: &[&str]) -> User {
        let roles = roles.iter().map(|&role| role.to_owned()).collect();
        User { display_name: "Bea".to_owned(), roles, ..User::default() }
    }

    #[test]
    fn a_change_is_told_from_none() {
        let (before, after) = (bea(&["customer"]), bea(&["customer", "shop_owner"]));

        assert!(
            told(&before, &after, false).starts_with("Bea is now: customer, shop_owner. They sign in again")
        );
        assert!(told(&before, &after, true).starts_with("You are now: customer, shop_owner. Sign in again"));
        assert_eq!(told(&after, &after, false), "Bea stays: customer, shop_owner. Nothing has changed.");
        assert!(told(&before, &bea(&[]), false).starts_with("Bea is now: nothing."));
    }
}
