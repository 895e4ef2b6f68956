use std::net::{IpAddr, Ipv4Addr};

use tonic::Code;
use tonic_types::StatusExt as _;

use super::*;

const LIMITS: Limits = Limits {
    user_rate: 10,
    user_burst: 4,
    address_rate: 10,
    address_burst: 6,
    sign_in_rate: 1,
    sign_in_burst: 2,
    calls_at_once: 3,
};

fn from(address: u32) -> Caller {
    Caller::stranger(IpAddr::V4(Ipv4Addr::from_bits(address)))
}

fn user(address: u32) -> Caller {
    Caller { user: Some(UserId::new()), ..from(address) }
}

fn admit(limiter: &Limiter, caller: &Caller, is_open_to_abuse: bool, now: Instant) -> Result<Permit, Status> {
    limiter.admit(limiter.enter()?, caller, Weight { is_open_to_abuse, ..Weight::default() }, now)
}

fn watch(limiter: &Limiter, caller: &Caller, now: Instant) -> Result<Permit, Status> {
    limiter.admit(limiter.enter()?, caller, Weight { is_stream: true, ..Weight::default() }, now)
}

/// How many of so many calls, one after the other, are let in.
fn admitted(limiter: &Limiter, caller: &Caller, is_open_to_abuse: bool, now: Instant) -> usize {
    (0..100).filter(|_| admit(limiter, caller, is_open_to_abuse, now).is_ok()).count()
}

#[test]
fn a_user_has_an_allowance_of_their_own_wherever_they_call_from() {
    let (limiter, now) = (Limiter::new(LIMITS, 1000), Instant::now());
    let ada = user(1);
    assert_eq!(admitted(&limiter, &ada, false, now), 4);
    assert_eq!(admitted(&limiter, &Caller { user: ada.user, ..from(2) }, false, now), 0);
    assert_eq!(admitted(&limiter, &user(1), false, now), 4);
    assert_eq!(admitted(&limiter, &from(1), false, now), 6);
    assert_eq!(admitted(&limiter, &from(2), false, now), 6);
}

#[test]
fn who_is_refused_hears_when_to_come_back() {
    let (limiter, now) = (Limiter::new(LIMITS, 1000), Instant::now());
    admitted(&limiter, &from(1), false, now);
    let refused = admit(&limiter, &from(1), false, now).unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let wait = refused.get_details_retry_info().unwrap().retry_delay.unwrap();
    assert_eq!(wait, Duration::from_millis(100));
    assert!(admit(&limiter, &from(1), false, now + wait).is_ok());
}

#[test]
fn signing_in_is_counted_by_address_whatever_token_comes_with_it() {
    let (limiter, now) = (Limiter::new(LIMITS, 1000), Instant::now());
    assert_eq!(admitted(&limiter, &user(1), true, now), 2);
    assert_eq!(admitted(&limiter, &user(1), true, now), 0);
    assert_eq!(admitted(&limiter, &user(1), false, now), 4);
    assert_eq!(admitted(&limiter, &user(2), true, now), 2);
}

#[test]
fn a_place_is_free_again_when_its_call_has_ended() {
    let (limiter, now) = (Limiter::new(LIMITS, 1000), Instant::now());
    let mut under_way: Vec<_> = (0..3).map(|_| admit(&limiter, &from(1), false, now).unwrap()).collect();
    assert_eq!(admit(&limiter, &from(1), false, now).unwrap_err().code(), Code::ResourceExhausted);
    assert!(admit(&limiter, &from(2), false, now).is_ok());
    under_way.pop();
    assert!(admit(&limiter, &from(1), false, now).is_ok());
}

#[test]
fn all_callers_together_have_so_many_places() {
    let (limiter, now) = (Limiter::new(LIMITS, 2), Instant::now());
    let mut under_way: Vec<_> =
        (1..=2).map(|address| admit(&limiter, &from(address), false, now).unwrap()).collect();
    let refused = admit(&limiter, &from(3), false, now).unwrap_err();
    assert_eq!(refused.get_details_error_info().unwrap().reason, "OVERLOADED");
    under_way.pop();
    assert!(admit(&limiter, &from(3), false, now).is_ok());
}

#[test]
fn streams_that_have_begun_take_no_place_from_calls() {
    let (limiter, now) = (Limiter::new(LIMITS, 1), Instant::now());
    let begins = watch(&limiter, &from(1), now).unwrap();
    assert_eq!(admit(&limiter, &from(2), false, now).unwrap_err().code(), Code::ResourceExhausted);
    let mut streams = vec![begins.begun()];
    for address in 2..=STREAMS_A_CALL {
        streams.push(watch(&limiter, &from(u32::try_from(address).unwrap()), now).unwrap().begun());
    }
    let refused = watch(&limiter, &from(100), now).unwrap_err();
    assert_eq!(refused.get_details_error_info().unwrap().reason, "OVERLOADED");
    assert!(admit(&limiter, &from(100), false, now).is_ok());
    streams.pop();
    assert!(watch(&limiter, &from(100), now).is_ok());
}

#[test]
fn a_caller_has_so_many_streams_at_once() {
    let (limiter, now) = (Limiter::new(LIMITS, 1000), Instant::now());
    let _streams: Vec<_> = (0..3).map(|_| watch(&limiter, &from(1), now).unwrap().begun()).collect();
    let refused = watch(&limiter, &from(1), now).unwrap_err();
    assert_eq!(refused.get_details_error_info().unwrap().reason, "TOO_MANY_CALLS_AT_ONCE");
}

#[test]
fn only_tokens_that_are_not_valid_are_counted() {
    let (limiter, now) = (Limiter::new(LIMITS, 1000), Instant::now());
    let network = from(1).network;
    for _ in 0..100 {
        limiter.unproven(network, now).unwrap().proven();
    }
    assert_eq!((0..100).filter(|_| limiter.unproven(network, now).is_ok()).count(), 6);
    assert!(limiter.unproven(from(2).network, now).is_ok());
    assert!(admit(&limiter, &from(1), false, now).is_ok());
}

#[test]
fn however_many_call_no_more_are_remembered_and_those_under_way_are_not_forgotten() {
    let (limiter, now) = (Limiter::new(LIMITS, 1000), Instant::now());
    let under_way: Vec<_> = (0..3).map(|_| admit(&limiter, &from(1), false, now).unwrap()).collect();
    for address in 2..300_000 {
        let _ = admit(&limiter, &from(address), false, now);
    }
    assert!(limiter.accounts.len() <= REMEMBERED, "{}", limiter.accounts.len());
    assert_eq!(admit(&limiter, &from(1), false, now).unwrap_err().code(), Code::ResourceExhausted);
    drop(under_way);
}
