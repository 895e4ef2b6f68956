//! Access tokens: made up, changed, and signed by us with anything in them.

use std::{sync::LazyLock, time::Duration};

use auth::{Access, Issuer, Permission, PublicKey, SigningKey, Verifier};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::DateTime;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use secrecy::ExposeSecret as _;
use values::{SessionId, UserId};

use crate::{Target, text};

pub(super) const TARGET: Target = Target {
    name: "tokens",
    about: "access tokens: made up, changed, and signed with anything in them",
    longest: 4096,
    run,
    examples: || {
        let token = SHOP.token.as_bytes();
        let claims = URL_SAFE_NO_PAD.decode(SHOP.token.split('.').nth(1).unwrap()).unwrap();
        vec![
            [b"\0", token].concat(),
            b"\0eyJhbGciOiJub25lIn0.e30.".to_vec(),
            vec![1, 0, 80, 1],
            vec![1, 0, 200, 32, 0, 3, 1],
            [b"\x02", claims.as_slice()].concat(),
            claims_until(&claims, NOW + 15 * 60 + 1),
            claims_until(&claims, NOW - 6),
            b"\x02{\"exp\":9223372036854775807,\"iat\":-9223372036854775808}".to_vec(),
        ]
    },
};

/// The claims of a token that ends at another moment.
fn claims_until(claims: &[u8], end: i64) -> Vec<u8> {
    let mut claims: serde_json::Value = serde_json::from_slice(claims).unwrap();
    claims["exp"] = end.into();
    [b"\x02", serde_json::to_vec(&claims).unwrap().as_slice()].concat()
}

struct Shop {
    verifier: Verifier,
    runtime: tokio::runtime::Runtime,
    signing: EncodingKey,
    token: String,
}

/// When the token is valid, and when every token is verified.
const NOW: i64 = 1_700_000_000;

// Made once a process, so that an input means the same only within one; what is found is told with its token.
static SHOP: LazyLock<Shop> = LazyLock::new(|| {
    let (key, pem) = SigningKey::generate();
    let issuer = Issuer::new(key.clone(), Duration::from_mins(15));
    let access = Access { version: 7, permissions: vec![Permission::SHOPS_REGISTER] };
    let now = DateTime::from_timestamp(NOW, 0).unwrap();
    let token = issuer.issue(UserId::new(), SessionId::new(), &access, now).unwrap();
    Shop {
        verifier: Verifier::with_keys(vec![key.public().clone()]),
        runtime: tokio::runtime::Builder::new_current_thread().build().unwrap(),
        signing: EncodingKey::from_ed_pem(pem.as_bytes()).unwrap(),
        token: token.token.expose_secret().to_owned(),
    }
});

/// The first byte says what the others are.
fn run(bytes: &[u8]) {
    match bytes.split_first() {
        Some((0, token)) => made_up(token),
        Some((1, changes)) => changed(changes),
        Some((2, claims)) => signed(claims),
        Some((_, key)) => key_of(key),
        None => {}
    }
}

/// Whether it is taken.
fn is_taken(token: &str) -> bool {
    let now = DateTime::from_timestamp(NOW, 0).unwrap();
    let first = SHOP.runtime.block_on(SHOP.verifier.verify(token, now));
    let second = SHOP.runtime.block_on(SHOP.verifier.verify(token, now));
    assert_eq!(first.is_ok(), second.is_ok(), "what is remembered of {token:?} changes its verdict");
    first.is_ok()
}

fn made_up(token: &[u8]) {
    let Some(token) = text::of(token) else { return };
    assert!(!is_taken(token) || token == SHOP.token, "{token:?} is taken");
}

/// Each three bytes change a byte of a token that is right: where, and by what.
fn changed(changes: &[u8]) {
    let mut token = SHOP.token.clone().into_bytes();
    for [high, low, by] in changes.as_chunks().0 {
        let at = usize::from(u16::from_be_bytes([*high, *low])) % token.len();
        token[at] ^= by;
    }
    if let Ok(token) = String::from_utf8(token) {
        assert_eq!(is_taken(&token), token == SHOP.token, "{token:?} instead of {:?}", SHOP.token);
    }
}

/// Claims under a signature of ours: what identity would have to be made to sign.
fn signed(claims: &[u8]) {
    let header = SHOP.token.split('.').next().unwrap();
    let message = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
    let Ok(signature) = crypto::sign(message.as_bytes(), &SHOP.signing, Algorithm::EdDSA) else { return };
    let token = format!("{message}.{signature}");
    if is_taken(&token) {
        let claims: serde_json::Value = serde_json::from_slice(claims).unwrap();
        let (from, to) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
        assert!(to > NOW - 6 && to - from <= 15 * 60, "it is good for too long: {claims}");
        assert!(claims["sub"].as_str().is_some_and(|user| user.parse::<UserId>().is_ok()), "{claims}");
    }
}

/// A public key as somebody might serve it.
fn key_of(bytes: &[u8]) {
    let Some(text) = text::of(bytes) else { return };
    let (kid, x) = text.split_once(' ').unwrap_or((text, ""));
    let verifier = Verifier::with_keys(vec![PublicKey { kid: kid.to_owned(), x: x.to_owned() }]);
    let now = DateTime::from_timestamp(NOW, 0).unwrap();
    assert!(SHOP.runtime.block_on(verifier.verify(&SHOP.token, now)).is_err(), "another key verifies it");
    let _ = SigningKey::from_pem(&text.to_owned().into());
}
