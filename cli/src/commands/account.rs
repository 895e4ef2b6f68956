//! `register`, `login`, `logout`, `whoami`.

use std::{env, io};

use clap::Args;
use proto::identity::v1::{AuthenticateUserRequest, CreateUserRequest, GetUserRequest, LogoutRequest, User};
use serde_json::json;
use values::Clock;

use crate::{
    failure::Failure,
    gateway::Gateway,
    output::{self, Output},
    request::{self, RequestId},
    session::Session,
};

/// Where the password comes from: never from the command line, which others can read.
#[derive(Args)]
struct Password {
    /// Read the password from standard input; without this it is asked for, or taken from `BOOKSTORE_PASSWORD`
    #[arg(long)]
    password_stdin: bool,
}

impl Password {
    fn read(&self) -> Result<String, Failure> {
        if self.password_stdin {
            let mut line = String::new();
            io::stdin()
                .read_line(&mut line)
                .map_err(|error| Failure::not_possible(format!("no password on standard input: {error}")))?;
            return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
        }
        if let Ok(password) = env::var("BOOKSTORE_PASSWORD") {
            return Ok(password);
        }
        rpassword::prompt_password("Password: ").map_err(|_| {
            Failure::usage("no terminal to ask for the password: use --password-stdin or BOOKSTORE_PASSWORD")
        })
    }
}

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
    let user = answer.user.unwrap_or_default();
    let expires_at = output::moment(answer.expire_time.as_ref()).unwrap_or_default();
    Session::new(user.user_id.clone(), user.email.clone(), answer.access_token, expires_at).store()?;
    Ok(user)
}

/// Ends the session. It is forgotten here whatever the shop says.
pub(crate) async fn logout(at: &Gateway, output: &Output) -> Result<(), Failure> {
    let session = Session::load();
    let was_signed_in = Session::forget()?;
    let Ok(session) = session else {
        // What can't be read can't be ended either.
        let text = if was_signed_in {
            "Signed out here: what was stored of the session could not be read."
        } else {
            "Nobody was signed in."
        };
        output.value(&json!({ "signed_out": was_signed_in, "ended_before": false }), text);
        return Ok(());
    };
    let (ended_before, text) = match end(at, &session).await {
        Ok(()) => (false, "Signed out."),
        Err(Failure::SignIn { .. }) => (true, "Signed out: the session had ended already."),
        Err(_) if session.expires_at <= Clock::system().now() => {
            (true, "Signed out: the session had ended already.")
        }
        Err(cause) => {
            return Err(Failure::OnlyForgotten { until: session.expires_at, cause: Box::new(cause) });
        }
    };
    output.value(&json!({ "signed_out": true, "ended_before": ended_before }), text);
    Ok(())
}

async fn end(at: &Gateway, session: &Session) -> Result<(), Failure> {
    let identity = at.identity().await?;
    request::repeat(async || identity.clone().logout(session.sign(LogoutRequest {})).await).await?;
    Ok(())
}

pub(crate) async fn whoami(at: &Gateway, output: &Output) -> Result<(), Failure> {
    let session = Session::load()?;
    let identity = at.identity().await?;
    let user =
        request::repeat(async || identity.clone().get_user(session.sign(GetUserRequest::default())).await)
            .await?;
    output.answer(&user, |user| {
        output::facts(&[
            ("Name", user.display_name.clone()),
            ("E-mail", user.email.clone()),
            ("User", user.user_id.clone()),
            ("Roles", user.roles.join(", ")),
            ("Signed in until", session.expires_at.format("%F %T UTC").to_string()),
        ])
    });
    Ok(())
}
