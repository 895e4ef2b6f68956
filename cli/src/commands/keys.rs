//! `keys rotate`.

use clap::{Args, Subcommand};
use proto::identity::v1::RotateSigningKeyRequest;

use crate::{
    failure::Failure,
    gateway::Gateway,
    output::{self, Output},
    request::RequestId,
    session::Session,
};

#[derive(Subcommand)]
pub(crate) enum Keys {
    /// Make a new key that signs access tokens; it happens by itself, this is for when one may have become known
    Rotate(Rotate),
}

#[derive(Args)]
#[command(after_long_help = "Example:\n  bookstore keys rotate")]
pub(crate) struct Rotate {
    #[command(flatten)]
    request_id: RequestId,
}

impl Keys {
    pub(crate) async fn run(self, at: &Gateway, output: &Output) -> Result<(), Failure> {
        let Self::Rotate(rotate) = self;
        let session = Session::open(at, output).await?;
        let request_id = rotate.request_id.or_new();
        let wanted = RotateSigningKeyRequest { request_id: request_id.clone() };
        let identity = at.identity().await?;
        let key = session
            .change(&request_id, async || {
                identity.clone().rotate_signing_key(session.sign(wanted.clone())).await
            })
            .await?;
        output.answer(&key, |key| {
            output::facts(&[("Key", key.kid.clone()), ("Signs from", output::time(key.active_time.as_ref()))])
        });
        Ok(())
    }
}
