use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use values::{SessionId, UserId};

use super::*;
use crate::{Access, FetchError, Issuer, Permission, SigningKey};

const TTL: Duration = Duration::from_mins(15);

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn token_of(key: &SigningKey, user: UserId) -> String {
    let issued =
        Issuer::new(key.clone(), TTL).issue(user, SessionId::new(), &Access::default(), now()).unwrap();
    issued.token.expose_secret().to_owned()
}

fn knowing(key: &SigningKey) -> Verifier {
    Verifier::with_keys(vec![key.public().clone()])
}

/// A token with these claims and header, signed by the right key.
fn signed(key: &SigningKey, header: &Header, changes: &Value) -> String {
    let mut claims = json!({
        "iss": "bookstore", "aud": "bookstore", "sub": UserId::new(), "sid": SessionId::new(), "ver": 0,
        "iat": now().timestamp(), "exp": now().timestamp() + 900, "permissions": [],
    });
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            _ => claims[name] = value.clone(),
        }
    }
    jsonwebtoken::encode(header, &claims, key.encoding()).unwrap()
}

fn header(key: &SigningKey) -> Header {
    Header { kid: Some(key.kid().to_owned()), ..Header::new(Algorithm::EdDSA) }
}

#[tokio::test]
async fn a_token_names_its_user_and_can_be_passed_on() {
    let (key, _) = SigningKey::generate();
    let (user, session) = (UserId::new(), SessionId::new());
    let issued = Issuer::new(key.clone(), TTL).issue(user, session, &Access::default(), now()).unwrap();
    let customer = knowing(&key).verify(issued.token.expose_secret(), now()).await.unwrap();
    assert_eq!((customer.user_id, customer.session_id), (user, session));
    assert_eq!(customer.bearer().expose_secret(), issued.token.expose_secret());
    assert!(!format!("{customer:?}").contains(issued.token.expose_secret()));
}

#[tokio::test]
async fn a_token_is_good_until_its_time_is_up_by_the_callers_clock() {
    let (key, _) = SigningKey::generate();
    let token = token_of(&key, UserId::new());
    let end = now() + TTL;
    assert!(knowing(&key).verify(&token, end + TimeDelta::seconds(4)).await.is_ok());
    assert_eq!(knowing(&key).verify(&token, end + TimeDelta::seconds(5)).await.unwrap_err(), Error::Expired);
}

#[tokio::test]
async fn a_token_of_another_key_is_refused_even_under_the_right_keys_name() {
    let ((key, _), (other, _)) = (SigningKey::generate(), SigningKey::generate());
    let token = token_of(&other, UserId::new());
    assert_eq!(knowing(&key).verify(&token, now()).await.unwrap_err(), Error::UnknownKey);
    let disguised = signed(&other, &header(&key), &json!({}));
    assert_eq!(knowing(&key).verify(&disguised, now()).await.unwrap_err(), Error::Signature);
}

#[tokio::test]
async fn claims_that_are_not_this_shops_are_refused() {
    let (key, _) = SigningKey::generate();
    let accepted = signed(&key, &header(&key), &json!({}));
    assert!(knowing(&key).verify(&accepted, now()).await.is_ok());
    for changes in [
        json!({"aud": "another"}),
        json!({"aud": null}),
        json!({"iss": "another"}),
        json!({"iss": null}),
        json!({"sub": null}),
        json!({"sub": SessionId::new()}),
        json!({"sid": null}),
        json!({"exp": null}),
        json!({"exp": "tomorrow"}),
        json!({"exp": i64::MAX}),
        json!({"iat": null}),
        json!({"iat": i64::MIN}),
        json!({"iat": i64::MAX}),
        json!({"ver": null}),
    ] {
        let token = signed(&key, &header(&key), &changes);
        assert_eq!(knowing(&key).verify(&token, now()).await.unwrap_err(), Error::Malformed, "{changes}");
    }
}

#[tokio::test]
async fn no_other_algorithm_is_accepted() {
    let (key, _) = SigningKey::generate();
    let [_, payload, _] = parts(&token_of(&key, UserId::new()));

    // The public key is public: a verifier that let the token choose would take it for a shared secret.
    let secret = EncodingKey::from_secret(key.public().x.as_bytes());
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(&payload).unwrap()).unwrap();
    let hs256 = Header { kid: Some(key.kid().to_owned()), ..Header::new(Algorithm::HS256) };
    let confused = jsonwebtoken::encode(&hs256, &claims, &secret).unwrap();
    assert_eq!(knowing(&key).verify(&confused, now()).await.unwrap_err(), Error::Malformed);

    let none = URL_SAFE_NO_PAD.encode(json!({"alg": "none", "typ": "JWT", "kid": key.kid()}).to_string());
    for unsigned in [format!("{none}.{payload}."), format!("{none}.{payload}")] {
        assert_eq!(knowing(&key).verify(&unsigned, now()).await.unwrap_err(), Error::Malformed);
    }
}

#[tokio::test]
async fn a_token_changed_after_signing_is_refused() {
    let (key, _) = SigningKey::generate();
    let [header, payload, signature] = parts(&token_of(&key, UserId::new()));
    let mut claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(&payload).unwrap()).unwrap();
    claims["sub"] = json!(UserId::new());
    let forged = URL_SAFE_NO_PAD.encode(claims.to_string());
    let token = format!("{header}.{forged}.{signature}");
    assert_eq!(knowing(&key).verify(&token, now()).await.unwrap_err(), Error::Signature);
}

#[tokio::test]
async fn what_is_no_token_is_refused() {
    let (key, _) = SigningKey::generate();
    let nameless = signed(&key, &Header::new(Algorithm::EdDSA), &json!({}));
    for text in ["", ".", "..", "a.b.c", "Bearer", nameless.as_str()] {
        assert_eq!(knowing(&key).verify(text, now()).await.unwrap_err(), Error::Malformed, "{text}");
    }
}

fn parts(token: &str) -> [String; 3] {
    let parts: Vec<_> = token.split('.').map(str::to_owned).collect();
    parts.try_into().unwrap()
}

/// Serves keys as identity does, counting how often it is asked.
#[derive(Clone, Default)]
struct Identity {
    keys: Arc<std::sync::Mutex<Vec<PublicKey>>>,
    is_down: Arc<std::sync::atomic::AtomicBool>,
    asked: Arc<AtomicUsize>,
}

impl Identity {
    fn serving(keys: &[&SigningKey]) -> Self {
        let identity = Self::default();
        identity.serve(keys);
        identity
    }

    fn serve(&self, keys: &[&SigningKey]) {
        *self.keys.lock().unwrap() = keys.iter().map(|key| key.public().clone()).collect();
    }

    fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::SeqCst);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl KeySource for Identity {
    async fn fetch(&self) -> Result<Vec<PublicKey>, FetchError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(20)).await;
        if self.is_down.load(Ordering::SeqCst) {
            return Err(FetchError::new("connection refused"));
        }
        Ok(self.keys.lock().unwrap().clone())
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_tokens_together_cause_one_fetch() {
    let (key, _) = SigningKey::generate();
    let identity = Identity::serving(&[&key]);
    let verifier = Verifier::fetching(identity.clone());
    let calls = (0..64).map(|_| {
        let (verifier, token) = (verifier.clone(), token_of(&key, UserId::new()));
        tokio::spawn(async move { verifier.verify(&token, now()).await.map(drop) })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap(), Ok(()));
    }
    assert_eq!(identity.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_key_causes_one_fetch_and_made_up_ones_no_more_for_a_while() {
    let ((key, _), (made_up, _), (next, _)) =
        (SigningKey::generate(), SigningKey::generate(), SigningKey::generate());
    let identity = Identity::serving(&[&key]);
    let verifier = Verifier::fetching(identity.clone());
    verifier.verify(&token_of(&key, UserId::new()), now()).await.unwrap();
    tokio::time::advance(Duration::from_secs(10)).await;

    for _ in 0..10 {
        let refused = verifier.verify(&token_of(&made_up, UserId::new()), now()).await.unwrap_err();
        assert_eq!(refused, Error::UnknownKey);
    }
    assert_eq!(identity.asked(), 2);

    identity.serve(&[&key, &next]);
    tokio::time::advance(Duration::from_secs(10)).await;
    assert!(verifier.verify(&token_of(&next, UserId::new()), now()).await.is_ok());
    assert_eq!(identity.asked(), 3);
}

#[tokio::test(start_paused = true)]
async fn without_identity_known_keys_stay_good_and_unknown_ones_are_not_called_wrong() {
    let ((key, _), (other, _)) = (SigningKey::generate(), SigningKey::generate());
    let identity = Identity::serving(&[&key]);
    let verifier = Verifier::fetching(identity.clone());
    identity.set_down(true);
    let token = token_of(&key, UserId::new());
    assert_eq!(verifier.verify(&token, now()).await.unwrap_err(), Error::KeysUnavailable);

    identity.set_down(false);
    tokio::time::advance(Duration::from_secs(2)).await;
    assert!(
        verifier.verify(&token, now()).await.is_ok(),
        "a fetch that failed must not delay the next for long"
    );

    identity.set_down(true);
    tokio::time::advance(Duration::from_secs(10)).await;
    assert!(verifier.verify(&token, now()).await.is_ok());
    let unknown = token_of(&other, UserId::new());
    assert_eq!(verifier.verify(&unknown, now()).await.unwrap_err(), Error::KeysUnavailable);
}

#[tokio::test(start_paused = true)]
async fn while_identity_is_away_made_up_keys_do_not_make_it_worse() {
    let ((key, _), (made_up, _)) = (SigningKey::generate(), SigningKey::generate());
    let identity = Identity::serving(&[&key]);
    let verifier = Verifier::fetching(identity.clone());
    verifier.verify(&token_of(&key, UserId::new()), now()).await.unwrap();
    identity.set_down(true);
    tokio::time::advance(Duration::from_secs(10)).await;

    for _ in 0..100 {
        let refused = verifier.verify(&token_of(&made_up, UserId::new()), now()).await.unwrap_err();
        assert_eq!(refused, Error::KeysUnavailable);
    }
    assert_eq!(identity.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_key_taken_back_goes_out_of_use_without_anybody_asking_for_it() {
    let ((key, _), (next, _)) = (SigningKey::generate(), SigningKey::generate());
    let identity = Identity::serving(&[&key]);
    let verifier = Verifier::fetching(identity.clone());
    let token = token_of(&key, UserId::new());
    verifier.verify(&token, now()).await.unwrap();

    identity.serve(&[&next]);
    // The clock is paused: it jumps to the next timer whenever nothing else is to be done.
    tokio::time::sleep(Duration::from_mins(7)).await;
    assert_eq!(verifier.verify(&token, now()).await.unwrap_err(), Error::UnknownKey);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_comes_to_mean_another_takes_its_tokens_with_it() {
    let ((key, _), (other, _)) = (SigningKey::generate(), SigningKey::generate());
    let identity = Identity::serving(&[&key]);
    let verifier = Verifier::fetching(identity.clone());
    let token = token_of(&key, UserId::new());
    verifier.verify(&token, now()).await.unwrap();

    let disguised = PublicKey { kid: key.kid().to_owned(), x: other.public().x.clone() };
    *identity.keys.lock().unwrap() = vec![disguised];
    tokio::time::sleep(Duration::from_mins(7)).await;
    assert_eq!(verifier.verify(&token, now()).await.unwrap_err(), Error::Signature);
}

#[tokio::test]
async fn a_token_tells_what_its_user_may_do_as_far_as_this_release_knows_it() {
    let (key, _) = SigningKey::generate();
    let permissions = vec![Permission::ORDERS_PLACE, Permission::USERS_READ];
    let access = Access { version: 7, permissions: permissions.clone() };
    let issued =
        Issuer::new(key.clone(), TTL).issue(UserId::new(), SessionId::new(), &access, now()).unwrap();
    let customer = knowing(&key).verify(issued.token.expose_secret(), now()).await.unwrap();
    assert_eq!((customer.version(), customer.permissions()), (7, &*permissions));
    assert!(customer.may(Permission::USERS_READ) && !customer.may(Permission::ROLES_GRANT));
    assert_eq!(customer.expires_at(), issued.expires_at);

    let newer = signed(&key, &header(&key), &json!({"permissions": ["books.burn", "orders.place"]}));
    let customer = knowing(&key).verify(&newer, now()).await.unwrap();
    assert_eq!(customer.permissions(), [Permission::ORDERS_PLACE]);
}

#[tokio::test]
async fn a_token_that_would_outlive_what_is_remembered_of_revocations_is_refused() {
    let (key, _) = SigningKey::generate();
    let longest = now() + AccessToken::LONGEST;
    let issued =
        Issuer::new(key.clone(), TTL * 2).issue(UserId::new(), SessionId::new(), &Access::default(), now());
    assert_eq!(issued.unwrap().expires_at, longest);
    let longer = signed(&key, &header(&key), &json!({"exp": longest.timestamp() + 1}));
    assert_eq!(knowing(&key).verify(&longer, now()).await.unwrap_err(), Error::Malformed);
}

#[tokio::test]
async fn a_token_that_was_good_is_refused_from_its_revocation_on() {
    let (key, _) = SigningKey::generate();
    let revocations = Revocations::new();
    let verifier = knowing(&key).with_revocations(revocations.clone());
    let (ended, changed) = (token_of(&key, UserId::new()), token_of(&key, UserId::new()));
    let session = verifier.verify(&ended, now()).await.unwrap().session_id;
    let user = verifier.verify(&changed, now()).await.unwrap().user_id;

    revocations.revoke_session(session, now());
    revocations.require(user, 1, now());

    for token in [&ended, &changed] {
        assert_eq!(verifier.verify(token, now()).await.unwrap_err(), Error::Revoked);
        assert_eq!(verifier.clone().verify(token, now()).await.unwrap_err(), Error::Revoked);
    }
}

#[tokio::test]
async fn a_token_that_was_good_is_refused_from_its_end_on() {
    let (key, _) = SigningKey::generate();
    let verifier = knowing(&key);
    let token = token_of(&key, UserId::new());
    verifier.verify(&token, now()).await.unwrap();
    let end = now() + TTL + Verifier::LEEWAY;
    assert_eq!(verifier.verify(&token, end).await.unwrap_err(), Error::Expired);
}

#[tokio::test]
async fn a_signature_is_checked_once_and_only_good_tokens_are_remembered() {
    let ((key, _), (other, _)) = (SigningKey::generate(), SigningKey::generate());
    let verifier = knowing(&key);
    let token = token_of(&key, UserId::new());
    let [head, payload, _] = parts(&token);
    let [_, _, foreign] = parts(&token_of(&other, UserId::new()));
    verifier.verify(&token, now()).await.unwrap();
    let first = verifier.remembered(&sha256(&token)).unwrap();

    verifier.verify(&token, now()).await.unwrap();
    assert!(Arc::ptr_eq(&first, &verifier.remembered(&sha256(&token)).unwrap()));

    let forged = format!("{head}.{payload}.{foreign}");
    for _ in 0..2 {
        assert_eq!(verifier.verify(&forged, now()).await.unwrap_err(), Error::Signature);
    }
    verifier.verify(&token_of(&key, UserId::new()), now() + TTL + Verifier::LEEWAY).await.unwrap_err();
    assert_eq!(verifier.checked.len(), 1);
}

#[tokio::test]
async fn a_key_that_is_no_key_does_not_take_the_others_with_it() {
    let (key, _) = SigningKey::generate();
    let broken = PublicKey { kid: "broken".to_owned(), x: "not base64 ÷".to_owned() };
    let verifier = Verifier::with_keys(vec![broken, key.public().clone()]);
    assert!(verifier.verify(&token_of(&key, UserId::new()), now()).await.is_ok());
}

#[tokio::test]
async fn who_has_the_keys_changes_them_and_tokens_of_those_that_stay_stay_good() {
    let ((old, _), (new, _)) = (SigningKey::generate(), SigningKey::generate());
    let verifier = knowing(&old);
    let clone = verifier.clone();
    let (before, after) = (token_of(&old, UserId::new()), token_of(&new, UserId::new()));
    assert!(clone.verify(&before, now()).await.is_ok());

    verifier.set_keys(vec![old.public().clone(), new.public().clone()]);
    for token in [&before, &after] {
        assert!(clone.verify(token, now()).await.is_ok());
    }
    verifier.set_keys(vec![new.public().clone()]);
    // Although its signature is remembered.
    assert_eq!(clone.verify(&before, now()).await.unwrap_err(), Error::UnknownKey);
    assert!(clone.verify(&after, now()).await.is_ok());
}
