//! `account update|password|delete`.

use std::cell::Cell;

use clap::{Args, Subcommand};
use proto::identity::v1::{ChangePasswordRequest, DeleteUserRequest, UpdateUserRequest};
use serde_json::json;

use crate::{
    commands::{self, password::Password},
    credentials::{self, Credentials},
    failure::{self, Failure},
    gateway::Gateway,
    output::{self, Output},
    session::Session,
};

#[derive(Subcommand)]
pub(crate) enum Account {
    /// Change what the shop calls you, or the e-mail address that you sign in with
    Update(Update),
    /// Change your password; every other sign-in of yours ends
    Password(ChangePassword),
    /// Delete your account, with everything that the shop knows of you
    Delete(Delete),
}

#[derive(Args)]
#[command(
    after_long_help = "Examples:\n  bookstore account update --name 'Ada King'\n  bookstore account update --email ada.king@example.com"
)]
pub(crate) struct Update {
    /// What the shop is to call you
    #[arg(long, required_unless_present = "email")]
    name: Option<String>,
    /// The new e-mail address to sign in with; takes your password
    #[arg(long)]
    email: Option<String>,
    #[command(flatten)]
    password: Password,
}

#[derive(Args)]
#[command(
    after_long_help = "Examples:\n  bookstore account password\n  printf '%s\\n' \"$OLD\" \"$NEW\" | bookstore account password --password-stdin"
)]
pub(crate) struct ChangePassword {
    /// With `--password-stdin` the new one stands in the second line; it may also be in `BOOKSTORE_NEW_PASSWORD`
    #[command(flatten)]
    password: Password,
}

#[derive(Args)]
#[command(
    after_long_help = "Money that is left in the wallet is lost: bookstore wallet withdraw. Orders under way are still delivered, and forgotten once they end.\n\nExample:\n  bookstore account delete --yes"
)]
pub(crate) struct Delete {
    /// Yes, for good
    #[arg(long, required = true)]
    yes: bool,
    #[command(flatten)]
    password: Password,
}

impl Account {
    pub(crate) async fn run(self, at: &Gateway, output: &Output) -> Result<(), Failure> {
        let session = Session::open(at, output).await?;
        match self {
            Self::Update(update) => update.run(at, &session, output).await,
            Self::Password(change) => change.run(at, &session, output).await,
            Self::Delete(delete) => delete.run(at, &session, output).await,
        }
    }
}

impl Update {
    async fn run(self, at: &Gateway, session: &Session<'_>, output: &Output) -> Result<(), Failure> {
        let current_password = if self.email.is_some() { self.password.read()? } else { String::new() };
        let update_mask =
            commands::mask([("display_name", self.name.is_some()), ("email", self.email.is_some())]);
        let wanted = UpdateUserRequest {
            display_name: self.name.unwrap_or_default(),
            email: self.email.unwrap_or_default(),
            update_mask,
            etag: String::new(),
            current_password,
        };
        let identity = at.identity().await?;
        let user = session
            .change_again(async || identity.clone().update_user(session.sign(wanted.clone())).await)
            .await?;
        output.answer(&user, |user| {
            output::facts(&[("Name", user.display_name.clone()), ("E-mail", user.email.clone())])
        });
        Ok(())
    }
}

impl ChangePassword {
    async fn run(self, at: &Gateway, session: &Session<'_>, output: &Output) -> Result<(), Failure> {
        let wanted = ChangePasswordRequest {
            current_password: self.password.read()?,
            new_password: self.password.read_new()?,
        };
        let identity = at.identity().await?;
        session
            .change_again(async || identity.clone().change_password(session.sign(wanted.clone())).await)
            .await?;
        output.value(&json!({ "changed": true }), "Your password is changed. Other sign-ins have ended.");
        Ok(())
    }
}

impl Delete {
    async fn run(self, at: &Gateway, session: &Session<'_>, output: &Output) -> Result<(), Failure> {
        let wanted = DeleteUserRequest { user_id: String::new(), current_password: self.password.read()? };
        let identity = at.identity().await?;
        let perhaps_deleted = Cell::new(session.is_perhaps_deleted());
        let answer = session
            .change_again(async || {
                let answer = identity.clone().delete_user(session.sign(wanted.clone())).await;
                if answer.as_ref().is_err_and(|status| failure::leaves_open(status.code())) {
                    perhaps_deleted.set(true);
                }
                answer
            })
            .await;
        match answer {
            // The token is gone with the account, so a repetition can't be told that it happened.
            Err(Failure::SignIn { status, .. }) if perhaps_deleted.get() => {
                Credentials::forget(&credentials::lock().await?)?;
                return Err(Failure::PerhapsDeleted { email: session.email(), status });
            }
            Err(unknown @ Failure::OutcomeUnknown(_)) => {
                // What is known of the account matters more than why that can't be kept.
                let _ = session.keep_perhaps_deleted().await;
                return Err(unknown);
            }
            answer => answer?,
        };
        Credentials::forget(&credentials::lock().await?)?;
        output.value(&json!({ "deleted": true }), "Your account is deleted.");
        Ok(())
    }
}
