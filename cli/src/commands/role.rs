//! `role grant|revoke`.

use clap::{Args, Subcommand};
use proto::identity::v1::{GetUserRequest, GrantRoleRequest, RevokeRoleRequest, User};
use tonic::Code;

use crate::{
    failure::{self, Failure},
    gateway::Gateway,
    output::Output,
    session::Session,
};

/// What it takes to find somebody by their e-mail address.
const USERS_READ: &str = "users.read";

#[derive(Subcommand)]
pub(crate) enum Role {
    /// Give somebody a role
    #[command(after_long_help = "Example:\n  bookstore role grant shop_owner --email bea@example.com")]
    Grant(Change),
    /// Take a role from somebody, at once
    #[command(after_long_help = "Example:\n  bookstore role revoke shop_owner --email bea@example.com")]
    Revoke(Change),
}

#[derive(Args)]
pub(crate) struct Change {
    /// `customer` may place orders, `shop_owner` may open shops, `admin` runs the shop
    role: String,
    /// The e-mail address they sign in with, or usr_…
    #[arg(long = "email", alias = "user", value_name = "EMAIL")]
    user: String,
}

impl Role {
    pub(crate) async fn run(self, at: &Gateway, output: &Output) -> Result<(), Failure> {
        let session = Session::open(at, output).await?;
        let is_grant = matches!(self, Self::Grant(_));
        let (Self::Grant(change) | Self::Revoke(change)) = self;
        let before = find(at, &session, change.user).await?;
        let identity = at.identity().await?;
        let (user_id, role) = (before.user_id.clone(), change.role);
        let user = session
            .change_again(async || {
                let (user_id, role, mut identity) = (user_id.clone(), role.clone(), identity.clone());
                if is_grant {
                    identity.grant_role(session.sign(GrantRoleRequest { user_id, role })).await
                } else {
                    identity.revoke_role(session.sign(RevokeRoleRequest { user_id, role })).await
                }
            })
            .await?;
        let is_self = user.user_id == session.user_id();
        output.answer(&user, |user| told(&before, user, is_self));
        Ok(())
    }
}

/// Whoever signs in with the address, or has the id. Users who may not see others are told so, not that there is nobody.
pub(crate) async fn find(at: &Gateway, session: &Session<'_>, user: String) -> Result<User, Failure> {
    let identity = at.identity().await?;
    let get = async |user: &str| {
        session
            .ask(async || {
                let request = if user.starts_with("usr_") {
                    GetUserRequest { user_id: user.to_owned(), email: String::new() }
                } else {
                    GetUserRequest { user_id: String::new(), email: user.to_owned() }
                };
                identity.clone().get_user(session.sign(request)).await
            })
            .await
    };
    let found = get(&user).await;
    if let Err(Failure::Refused(refusal)) = &found
        && refusal.status.code() == Code::NotFound
    {
        let role = failure::role_with(USERS_READ);
        if !get("").await?.roles.iter().any(|own| own == role) {
            let advice = failure::permission(USERS_READ);
            return Err(Failure::not_possible(format!("this takes the permission {USERS_READ}\n  {advice}")));
        }
        return Err(Failure::not_possible(if user.starts_with("usr_") {
            format!("there is no user {user}")
        } else {
            format!("nobody signs in with {user}")
        }));
    }
    found
}

fn told(before: &User, after: &User, is_self: bool) -> String {
    let (name, roles) = (&after.display_name, after.roles.join(", "));
    let roles = if roles.is_empty() { "nothing".to_owned() } else { roles };
    if before.roles == after.roles {
        return format!("{name} stays: {roles}. Nothing has changed.");
    }
    let (who, is) = if is_self { ("You", "are") } else { (name.as_str(), "is") };
    format!("{who} {is} now: {roles}. It counts from the next command on.")
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

        assert!(told(&before, &after, false).starts_with("Bea is now: customer, shop_owner."));
        assert!(told(&before, &after, true).starts_with("You are now: customer, shop_owner."));
        assert_eq!(told(&after, &after, false), "Bea stays: customer, shop_owner. Nothing has changed.");
        assert!(told(&before, &bea(&[]), false).starts_with("Bea is now: nothing."));
    }
}
