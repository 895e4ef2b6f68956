use futures::FutureExt as _;
use proptest::prelude::*;

use super::*;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn customer(version: i64) -> Customer {
    Customer {
        user_id: UserId::new(),
        session_id: SessionId::new(),
        version,
        permissions: Arc::default(),
        expires_at: now() + TimeDelta::minutes(15),
        token: "a.b.c".into(),
    }
}

#[test]
fn an_ended_session_takes_its_own_tokens_with_it_and_no_other() {
    let revocations = Revocations::new();
    let (ended, other) = (customer(1), customer(1));
    let elsewhere = Customer { session_id: SessionId::new(), ..ended.clone() };

    revocations.clone().revoke_session(ended.session_id, now());

    assert!(!revocations.allows(&ended));
    assert!(revocations.allows(&elsewhere), "the same user, signed in on another device");
    assert!(revocations.allows(&other));
}

#[test]
fn a_change_of_access_takes_the_users_older_tokens_with_it() {
    let revocations = Revocations::new();
    let (before, other) = (customer(3), customer(3));
    let after = Customer { version: 4, session_id: SessionId::new(), ..before.clone() };

    revocations.require(before.user_id, 4, now());

    assert!(!revocations.allows(&before));
    assert!(revocations.allows(&after));
    assert!(revocations.allows(&other));
}

#[test]
fn what_is_noted_is_forgotten_once_no_token_can_be_as_old() {
    let revocations = Revocations::new();
    let (ended, changed, next) = (customer(1), customer(1), customer(1));
    revocations.revoke_session(ended.session_id, now());
    revocations.require(changed.user_id, 2, now());

    let longest = TimeDelta::from_std(crate::AccessToken::LONGEST).unwrap() + crate::Verifier::LEEWAY;
    revocations.revoke_session(next.session_id, now() + longest);
    assert!(!revocations.allows(&ended) && !revocations.allows(&changed));

    revocations.revoke_session(next.session_id, now() + KEPT);
    assert_eq!(revocations.count(), 1);
    assert!(!revocations.allows(&next));
}

#[test]
fn forgetting_an_earlier_change_leaves_a_later_one_of_the_same_user() {
    let revocations = Revocations::new();
    let changed = customer(2);
    revocations.require(changed.user_id, 2, now());
    revocations.require(changed.user_id, 3, now() + TimeDelta::minutes(10));

    revocations.revoke_session(SessionId::new(), now() + KEPT);

    assert!(!revocations.allows(&changed));
}

#[test]
fn of_too_many_the_oldest_is_given_up() {
    let mut noted = Noted::default();
    let sessions: Vec<_> = (0..4).map(|_| SessionId::new()).collect();
    for session in &sessions {
        noted.forget(now(), 3);
        noted.sessions.insert(*session, now());
        noted.order.push_back((now(), Subject::Session(*session)));
    }
    assert!(!noted.sessions.contains_key(&sessions[0]));
    assert_eq!((noted.sessions.len(), noted.order.len()), (3, 3));
}

#[tokio::test]
async fn who_waits_hears_of_the_end_of_their_own_sign_in_only() {
    let revocations = Revocations::new();
    let (ended, changed, other) = (customer(1), customer(1), customer(1));
    let wait = |customer: &Customer| tokio::spawn(revocations.revoked(customer));
    let (session_ends, access_changes, stays) = (wait(&ended), wait(&changed), wait(&other));
    tokio::task::yield_now().await;

    revocations.require(changed.user_id, 1, now());
    revocations.revoke_session(SessionId::new(), now());
    tokio::task::yield_now().await;
    assert!(!access_changes.is_finished(), "the version that the token has is good");

    revocations.revoke_session(ended.session_id, now());
    revocations.require(changed.user_id, 2, now());
    session_ends.await.unwrap();
    access_changes.await.unwrap();
    assert!(!stays.is_finished());
}

#[test]
fn who_comes_too_late_waits_for_nothing() {
    let revocations = Revocations::new();
    let ended = customer(1);
    revocations.revoke_session(ended.session_id, now());
    assert_eq!(revocations.revoked(&ended).now_or_never(), Some(()));
}

proptest! {
    #[test]
    fn events_may_come_twice_and_in_any_order(
        mut events in prop::collection::vec((0_usize..3, prop::option::of(0_i64..6)), 0..24),
        versions in prop::array::uniform3(0_i64..6),
        again in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let customers = versions.map(customer);
        let repeated: Vec<_> = again.iter().filter(|_| !events.is_empty()).map(|index| *index.get(&events)).collect();
        let allowed = [0, 1, 2].map(|index: usize| events.iter().filter(|(whose, _)| *whose == index).all(
            |(_, least)| least.is_some_and(|least| versions[index] >= least),
        ));
        events.extend(repeated);
        let revocations = Revocations::new();
        for (whose, least) in events {
            match least {
                Some(least) => revocations.require(customers[whose].user_id, least, now()),
                None => revocations.revoke_session(customers[whose].session_id, now()),
            }
        }
        prop_assert_eq!(customers.map(|customer| revocations.allows(&customer)), allowed);
        prop_assert!(revocations.count() <= 6);
    }
}
