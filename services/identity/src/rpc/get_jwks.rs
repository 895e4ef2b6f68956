use proto::identity::v1 as pb;

use super::IdentityService;

/// The public keys that verify access tokens (RFC 7517, RFC 8037).
pub(super) fn get_jwks(identity: &IdentityService) -> pb::GetJwksResponse {
    let keys = identity.keys.public().into_iter().map(|key| pb::JsonWebKey {
        kid: key.kid,
        kty: "OKP".to_owned(),
        crv: "Ed25519".to_owned(),
        alg: "EdDSA".to_owned(),
        x: key.x,
    });
    pb::GetJwksResponse { keys: keys.collect() }
}
