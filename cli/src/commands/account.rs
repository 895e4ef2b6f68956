//! `register`, `login`, `logout`, `whoami`, `account`.

pub(crate) mod manage;

use clap::Args;
use proto::identity::v1::{AuthenticateUserRequest, CreateUserRequest, GetUserRequest, LogoutRequest, User};
use serde_json::json;
use values::Clock;

use crate::{
    commands::password::Password,
    credentials::{self, Credentials},
    failure::Failure,
    gateway::Gateway,
    output::{self, Output},
    request::{self, RequestId},
    session::{self, Session},
};

/// Opens an account.
#[derive(Args)]
#[command(after_long_help = "Example:\n  bookstore register --email ada@example.com --name 'Ada Lovelace'")]
pub(crate) struct Register {
    /// The e-mail address you will sign in with
    #[arg(long)]
    email: String,
    /// What the shop calls you
    #[arg(long)]
    name: String,
    #[command(flatten)]
    password: Password,
    #[command(flatten)]
    request_id: RequestId,
}

impl Register {
    pub(crate) async fn run(self, at: &Gateway, output: &Output) -> Result<(), Failure> {
        let password = self.password.read()?;
        let identity = at.identity().await?;
        let request_id = self.request_id.or_new();
        let wanted = CreateUserRequest {
            request_id: request_id.clone(),
            email: self.email.clone(),
            password: password.clone(),
            display_name: self.name,
        };
        let user =
            request::change(&request_id, async || identity.clone().create_user(wanted.clone()).await).await?;
        sign_in(at, self.email.clone(), password)
            .await
            .map_err(|cause| Failure::OnlyRegistered { email: self.email, cause: Box::new(cause) })?;
        output.answer(&user, |user| {
            format!("Welcome, {}. You are registered and signed in.", user.display_name)
        });
        Ok(())
    }
}

/// Signs in.
#[derive(Args)]
#[command(
    after_long_help = "Examples:\n  bookstore login --email ada@example.com\n  pass show bookstore | bookstore login --email ada@example.com --password-stdin"
)]
pub(crate) struct Login {
    /// The e-mail address you registered with
    #[arg(long)]
    email: String,
    #[command(flatten)]
    password: Password,
}

impl Login {
    pub(crate) async fn run(self, at: &Gateway, output: &Output) -> Result<(), Failure> {
        let user = sign_in(at, self.email, self.password.read()?).await?;
        output.answer(&user, |user| format!("Signed in as {}.", user.display_name));
        Ok(())
    }
}

async fn sign_in(at: &Gateway, email: String, password: String) -> Result<User, Failure> {
    let identity = at.identity().await?;
    let credentials = AuthenticateUserRequest { email, password };
    let answer =
        request::repeat(async || identity.clone().authenticate_user(credentials.clone()).await).await?;
    let user = answer.user.clone().unwrap_or_default();
    session::kept(answer).store(&credentials::lock().await?)?;
    Ok(user)
}

/// Ends the session. It is forgotten here whatever the shop says.
pub(crate) async fn logout(at: &Gateway, output: &Output) -> Result<(), Failure> {
    let lock = credentials::lock().await?;
    let kept = Credentials::load();
    let was_signed_in = Credentials::forget(&lock)?;
    drop(lock);
    let Ok(Some(kept)) = kept else {
        // What can't be read can't be ended either.
        let text = if was_signed_in {
            "Signed out here: what was stored of the session could not be read."
        } else {
            "Nobody was signed in."
        };
        output.value(&json!({ "signed_out": was_signed_in, "ended_before": false }), text);
        return Ok(());
    };
    let until = session::last_moment(&kept);
    let (ended_before, text) = match end(at, kept).await {
        Ok(()) => (false, "Signed out."),
        Err(Failure::SignIn { .. }) => (true, "Signed out: the session had ended already."),
        Err(_) if until <= Clock::system().now() => (true, "Signed out: the session had ended already."),
        Err(cause) => return Err(Failure::OnlyForgotten { until, cause: Box::new(cause) }),
    };
    output.value(&json!({ "signed_out": true, "ended_before": ended_before }), text);
    Ok(())
}

/// Whose access token has run out can still end the session: with a new one.
async fn end(at: &Gateway, kept: Credentials) -> Result<(), Failure> {
    let identity = at.identity().await?;
    let logout = async |credentials: &Credentials| {
        request::repeat(async || identity.clone().logout(session::sign(credentials, LogoutRequest {})).await)
            .await
    };
    match logout(&kept).await {
        Err(refused @ Failure::SignIn { .. }) => {
            let Some(renewed) = session::renewed(at, &kept).await? else { return Err(refused) };
            logout(&renewed).await?;
        }
        answer => {
            answer?;
        }
    }
    Ok(())
}

pub(crate) async fn whoami(at: &Gateway, output: &Output) -> Result<(), Failure> {
    let session = Session::open(at, output).await?;
    let identity = at.identity().await?;
    let user = session
        .ask(async || identity.clone().get_user(session.sign(GetUserRequest::default())).await)
        .await?;
    output.answer(&user, |user| {
        output::facts(&[
            ("Name", user.display_name.clone()),
            ("E-mail", user.email.clone()),
            ("User", user.user_id.clone()),
            ("Roles", user.roles.join(", ")),
            ("Signed in until", session.signed_in_until().format("%F %T UTC").to_string()),
        ])
    });
    Ok(())
}
