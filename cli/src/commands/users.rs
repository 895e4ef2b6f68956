//! `users list|show|grant|revoke|delete`.

use clap::{Args, Subcommand};
use proto::identity::v1::{DeleteUserRequest, ListUsersRequest, ListUsersResponse, User};
use serde_json::json;

use crate::{
    commands::role::{self, Change, Role},
    failure::Failure,
    gateway::Gateway,
    output::{self, Output},
    paging::{self, Paging},
    session::Session,
};

#[derive(Subcommand)]
pub(crate) enum Users {
    /// List those who have an account, the oldest first
    List(List),
    /// Show somebody
    #[command(
        after_long_help = "Examples:\n  bookstore users show ada@example.com\n  bookstore users show usr_…"
    )]
    Show(Which),
    /// Give somebody a role
    #[command(after_long_help = "Example:\n  bookstore users grant shop_owner --email bea@example.com")]
    Grant(Change),
    /// Take a role from somebody, at once
    #[command(after_long_help = "Example:\n  bookstore users revoke shop_owner --email bea@example.com")]
    Revoke(Change),
    /// Delete somebody's account, with everything that the shop knows of them
    Delete(Delete),
}

#[derive(Args)]
#[command(
    after_long_help = "Examples:\n  bookstore users list --role admin\n  bookstore users list --all --output json | jq -r '.users[].email'"
)]
pub(crate) struct List {
    /// Only those who have this role: customer, `shop_owner` or admin
    #[arg(long, default_value = "")]
    role: String,
    #[command(flatten)]
    paging: Paging,
}

#[derive(Args)]
pub(crate) struct Which {
    /// The e-mail address they sign in with, or usr_…
    user: String,
}

#[derive(Args)]
#[command(after_long_help = "Example:\n  bookstore users delete eve@example.com --yes")]
pub(crate) struct Delete {
    #[command(flatten)]
    which: Which,
    /// Yes, for good
    #[arg(long, required = true)]
    yes: bool,
}

impl Users {
    pub(crate) async fn run(self, at: &Gateway, output: &Output) -> Result<(), Failure> {
        match self {
            Self::List(list) => list.run(at, &Session::open(at, output).await?, output).await,
            Self::Show(which) => {
                let session = Session::open(at, output).await?;
                output.answer(&role::find(at, &session, which.user).await?, details);
                Ok(())
            }
            Self::Grant(change) => Role::Grant(change).run(at, output).await,
            Self::Revoke(change) => Role::Revoke(change).run(at, output).await,
            Self::Delete(delete) => delete.run(at, &Session::open(at, output).await?, output).await,
        }
    }
}

impl List {
    async fn run(self, at: &Gateway, session: &Session<'_>, output: &Output) -> Result<(), Failure> {
        let identity = at.identity().await?;
        let fetch = async |page_size, page_token: String| {
            let page = session.ask(async || {
                let request =
                    ListUsersRequest { page_size, page_token: page_token.clone(), role: self.role.clone() };
                identity.clone().list_users(session.sign(request)).await
            });
            page.await.map(|page| (page.users, page.next_page_token))
        };
        let (users, next_page_token) = self.paging.part(fetch).await?;
        let answer = ListUsersResponse { users, next_page_token };
        output.answer(&answer, |answer| {
            if answer.users.is_empty() {
                return "Nobody here.".to_owned();
            }
            let row = |user: &User| {
                vec![
                    user.user_id.clone(),
                    user.email.clone(),
                    user.display_name.clone(),
                    user.roles.join(", "),
                    output::time(user.create_time.as_ref()),
                ]
            };
            output::table(&["USER", "E-MAIL", "NAME", "ROLES", "SINCE"], answer.users.iter().map(row))
        });
        paging::hint_at(&answer.next_page_token, output);
        Ok(())
    }
}

impl Delete {
    async fn run(self, at: &Gateway, session: &Session<'_>, output: &Output) -> Result<(), Failure> {
        let user = self.which.user;
        // An id needs no finding, and a repeat would find nobody.
        let user_id =
            if user.starts_with("usr_") { user } else { role::find(at, session, user).await?.user_id };
        let wanted = DeleteUserRequest { user_id, current_password: String::new() };
        let identity = at.identity().await?;
        session
            .change_again(async || identity.clone().delete_user(session.sign(wanted.clone())).await)
            .await?;
        output.value(&json!({ "deleted": wanted.user_id }), &format!("{} is deleted.", wanted.user_id));
        Ok(())
    }
}

fn details(user: &User) -> String {
    output::facts(&[
        ("User", user.user_id.clone()),
        ("E-mail", user.email.clone()),
        ("Name", user.display_name.clone()),
        ("Roles", user.roles.join(", ")),
        ("Since", output::time(user.create_time.as_ref())),
    ])
}
