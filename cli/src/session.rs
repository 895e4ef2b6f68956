//! Somebody signed in: requests that carry their token, which is renewed when it has run out.

use std::cell::RefCell;

use chrono::{DateTime, TimeDelta, Utc};
use proto::identity::v1::{AuthenticateUserResponse, RefreshTokenRequest};
use tonic::{Request, Response, Status, metadata::AsciiMetadataValue};
use values::Clock;

use crate::{
    credentials::{self, Credentials, Renewal},
    failure::Failure,
    gateway::Gateway,
    output::{self, Output},
    request, typed,
};

/// A token that ends before the call is over helps nobody.
const LEEWAY: TimeDelta = TimeDelta::seconds(30);

/// A signed-in user.
pub(crate) struct Session<'a> {
    at: &'a Gateway,
    credentials: RefCell<Credentials>,
}

impl<'a> Session<'a> {
    /// Of the user that `login` kept the tokens of.
    pub(crate) async fn open(at: &'a Gateway, output: &Output) -> Result<Self, Failure> {
        if let Some(path) = Credentials::make_private()? {
            output.warning(&format!(
                "others could read {}; now only you can. To be sure, sign out and in again",
                path.display()
            ));
        }
        let kept = Credentials::load()?.ok_or_else(|| Failure::sign_in("nobody is signed in"))?;
        let session = Self { at, credentials: RefCell::new(kept) };
        if session.expires_at() <= Clock::system().now() + LEEWAY {
            // Where that is impossible the shop says why.
            session.renew().await?;
        }
        Ok(session)
    }

    /// TypeID, `usr_…`.
    pub(crate) fn user_id(&self) -> String {
        self.credentials.borrow().user_id.clone()
    }

    /// What the user signed in with.
    pub(crate) fn email(&self) -> String {
        self.credentials.borrow().email.clone()
    }

    /// Whether an earlier command asked for the account to be deleted and got no answer.
    pub(crate) fn is_perhaps_deleted(&self) -> bool {
        self.credentials.borrow().perhaps_deleted
    }

    /// Keeps in mind that the account may be deleted, until a renewal shows that it isn't.
    pub(crate) async fn keep_perhaps_deleted(&self) -> Result<(), Failure> {
        let lock = credentials::lock().await?;
        match Credentials::load()? {
            Some(kept) if kept.user_id == self.user_id() => {
                Credentials { perhaps_deleted: true, ..kept }.store(&lock)
            }
            _ => Ok(()),
        }
    }

    /// When the access token ends.
    pub(crate) fn expires_at(&self) -> DateTime<Utc> {
        self.credentials.borrow().expires_at
    }

    /// When the sign-in ends if it isn't used any more.
    pub(crate) fn signed_in_until(&self) -> DateTime<Utc> {
        last_moment(&self.credentials.borrow())
    }

    /// A request that carries the token.
    pub(crate) fn sign<T>(&self, message: T) -> Request<T> {
        sign(&self.credentials.borrow(), message)
    }

    /// Sends what may be sent again: [`request::repeat`], with a new token where the present one isn't accepted.
    pub(crate) async fn ask<T>(
        &self,
        mut send: impl AsyncFnMut() -> Result<Response<T>, Status>,
    ) -> Result<T, Failure> {
        match request::repeat(&mut send).await {
            Err(refused @ Failure::SignIn { .. }) => {
                if !self.renew().await? {
                    return Err(refused);
                }
                request::repeat(send).await
            }
            answer => answer,
        }
    }

    /// Like [`Session::ask`], for a change under `request_id`: without a last answer the failure names the command
    /// that repeats it.
    pub(crate) async fn change<T>(
        &self,
        request_id: &str,
        send: impl AsyncFnMut() -> Result<Response<T>, Status>,
    ) -> Result<T, Failure> {
        self.ask(send).await.map_err(|failure| request::under_id(failure, request_id))
    }

    /// Like [`Session::change`], for what comes out the same however often it is done and so needs no request id.
    pub(crate) async fn change_again<T>(
        &self,
        send: impl AsyncFnMut() -> Result<Response<T>, Status>,
    ) -> Result<T, Failure> {
        self.ask(send).await.map_err(|failure| failure.of_change(None, typed::again()))
    }

    /// Gets a new access token, or finds the one that another process has got; tells whether there is one.
    ///
    /// One process at a time: a refresh token that comes twice is taken for stolen.
    pub(crate) async fn renew(&self) -> Result<bool, Failure> {
        let lock = credentials::lock().await?;
        let own = self.credentials.borrow().clone();
        let Some(kept) = Credentials::load()?.filter(|kept| kept.user_id == own.user_id) else {
            return Ok(false);
        };
        let request_id = |of: &Credentials| of.renewal.as_ref().map(|renewal| renewal.request_id.clone());
        if kept.access_token != own.access_token || request_id(&kept) != request_id(&own) {
            self.credentials.replace(kept);
            return Ok(true);
        }
        let renewed = match renewed(self.at, &kept).await {
            Ok(Some(renewed)) => renewed,
            Ok(None) => return Ok(false),
            Err(Failure::SignIn { .. }) => {
                Credentials { renewal: None, ..kept }.store(&lock)?;
                return Ok(false);
            }
            Err(failure) => return Err(failure),
        };
        renewed.store(&lock)?;
        self.credentials.replace(renewed);
        Ok(true)
    }
}

/// What a sign-in or its renewal answered, as it is kept.
pub(crate) fn kept(answer: AuthenticateUserResponse) -> Credentials {
    let user = answer.user.unwrap_or_default();
    let refresh_until = output::moment(answer.refresh_expire_time.as_ref()).unwrap_or_default();
    let renewal =
        (!answer.refresh_token.is_empty()).then(|| Renewal::new(answer.refresh_token, refresh_until));
    Credentials {
        user_id: user.user_id,
        email: user.email,
        expires_at: output::moment(answer.expire_time.as_ref()).unwrap_or_default(),
        access_token: answer.access_token,
        renewal,
        perhaps_deleted: false,
    }
}

/// The credentials that follow, if there is a refresh token that gets them.
pub(crate) async fn renewed(at: &Gateway, old: &Credentials) -> Result<Option<Credentials>, Failure> {
    let Some(Renewal { refresh_token, request_id, .. }) = old.renewal.clone() else { return Ok(None) };
    let identity = at.identity().await?;
    let wanted = RefreshTokenRequest { request_id, refresh_token };
    let answer = request::repeat(async || identity.clone().refresh_token(wanted.clone()).await).await?;
    Ok(Some(kept(answer)))
}

/// When nothing that is kept is good any more.
pub(crate) fn last_moment(credentials: &Credentials) -> DateTime<Utc> {
    let renewal = credentials.renewal.as_ref().map(|renewal| renewal.expires_at);
    renewal.into_iter().fold(credentials.expires_at, Ord::max)
}

/// A request that carries the token. A damaged one is left out, and the shop says that sign-in is needed.
pub(crate) fn sign<T>(credentials: &Credentials, message: T) -> Request<T> {
    let mut request = Request::new(message);
    if let Ok(bearer) = AsciiMetadataValue::try_from(format!("Bearer {}", credentials.access_token)) {
        request.metadata_mut().insert("authorization", bearer);
    }
    request
}
