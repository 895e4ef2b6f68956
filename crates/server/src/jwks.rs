//! The public keys of access tokens, asked of identity.

use auth::{FetchError, KeySource, PublicKey};
use proto::identity::v1::{GetJwksRequest, identity_service_client::IdentityServiceClient};

/// Verifies tokens with the keys that identity serves.
#[must_use]
pub fn jwks(identity: mesh::Client) -> auth::Verifier {
    auth::Verifier::fetching(Jwks(IdentityServiceClient::new(identity)))
}

struct Jwks(IdentityServiceClient<mesh::Client>);

impl KeySource for Jwks {
    async fn fetch(&self) -> Result<Vec<PublicKey>, FetchError> {
        let answer = self.0.clone().get_jwks(GetJwksRequest {}).await;
        let keys = answer.map_err(|status| FetchError::new(status.to_string()))?.into_inner().keys;
        // Keys of a kind that later releases may add are not ours to verify with.
        let ours = keys.into_iter().filter(|key| key.kty == "OKP" && key.crv == "Ed25519");
        Ok(ours.map(|key| PublicKey { kid: key.kid, x: key.x }).collect())
    }
}
