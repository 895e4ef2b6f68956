use std::path::Path;
use std::sync::Arc;

use chrono::DateTime;
use proptest::prelude::*;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver, IncludeFileResolver};
use values::{SessionId, UserId};

use super::*;
use crate::Customer;

fn real() -> Policies {
    Policies::of(proto::FILE_DESCRIPTOR_SET).unwrap()
}

fn user(permissions: &[Permission]) -> Caller {
    Caller::Customer(Customer {
        user_id: UserId::new(),
        session_id: SessionId::new(),
        version: 1,
        permissions: permissions.into(),
        expires_at: DateTime::UNIX_EPOCH,
        token: "a.b.c".into(),
    })
}

#[test]
fn every_method_of_the_contract_has_a_policy() {
    let policies = real();
    assert!(policies.iter().count() > 30);
    for (path, allow) in [
        ("/bookstore.identity.v1.IdentityService/CreateUser", Allow::Anyone),
        ("/bookstore.identity.v1.IdentityService/Logout", Allow::SignedIn),
        ("/bookstore.identity.v1.IdentityService/GrantRole", Allow::Permission(Permission::ROLES_GRANT)),
        ("/bookstore.order.v1.OrderService/PlaceOrder", Allow::Permission(Permission::ORDERS_PLACE)),
        ("/bookstore.inventory.v1.InventoryService/ReserveStock", Allow::Services(vec!["order".to_owned()])),
        ("/bookstore.events.v1.DeadLetters/Replay", Allow::Permission(Permission::DEAD_LETTERS_MANAGE)),
    ] {
        assert_eq!(policies.of_method(path), Some(&allow), "{path}");
    }
}

#[test]
fn methods_tell_what_they_take() {
    let policies = real();
    let watch = policies.iter().find(|method| method.name == "WatchOrder").unwrap();
    assert_eq!(watch.path(), "/bookstore.order.v1.OrderService/WatchOrder");
    assert_eq!(watch.request, "bookstore.order.v1.WatchOrderRequest");
    assert_eq!(watch.response, "bookstore.order.v1.OrderStatus");
    assert!(watch.is_server_streaming && !watch.is_client_streaming);
}

#[test]
fn nothing_is_said_of_methods_that_the_contract_does_not_have() {
    for path in
        ["", "/", "/bookstore.order.v1.OrderService/Burn", "bookstore.order.v1.OrderService/PlaceOrder"]
    {
        assert_eq!(real().of_method(path), None, "{path}");
    }
}

#[test]
fn what_a_process_serves_is_all_that_it_has_policies_for() {
    let served = real().only(["bookstore.order.v1.OrderService", "bookstore.events.v1.DeadLetters"]).unwrap();
    assert!(served.of_method("/bookstore.order.v1.OrderService/PlaceOrder").is_some());
    assert!(served.of_method("/bookstore.events.v1.DeadLetters/List").is_some());
    assert!(served.of_method("/bookstore.payment.v1.PaymentService/TopUp").is_none());
    let unknown = real().only(["bookstore.order.v1.OrderService", "made.up.Two", "made.up.One"]).unwrap_err();
    assert_eq!(unknown.to_string(), "no policy says who may call made.up.One, made.up.Two");
}

/// A contract of one file, beside the option's own.
struct Source(String);

impl FileResolver for Source {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match name {
            "new.proto" => File::from_source(name, &self.0),
            _ => Err(protox::Error::file_not_found(name)),
        }
    }
}

/// What is wrong with methods that have these policies, the first of `New/M0` and so on.
fn faults(policies: &[&str]) -> Vec<String> {
    let methods: String = policies.iter().enumerate().fold(String::new(), |methods, (index, option)| {
        format!("{methods} rpc M{index}(Nothing) returns (Nothing) {{ {option} }}")
    });
    let source = format!(
        r#"syntax = "proto3"; package new; import "bookstore/auth/v1/policy.proto";
        message Nothing {{}} service New {{ {methods} }}"#
    );
    let mut files = ChainFileResolver::new();
    files.add(Source(source));
    files.add(IncludeFileResolver::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto")));
    files.add(GoogleFileResolver::new());
    let mut compiler = protox::Compiler::with_file_resolver(files);
    compiler.include_imports(true).open_file("new.proto").unwrap();
    match Policies::of(&compiler.encode_file_descriptor_set()) {
        Ok(_) => Vec::new(),
        Err(Error::Methods(unprotected)) => {
            unprotected.into_iter().map(|Unprotected { method, fault }| format!("{method} {fault}")).collect()
        }
        Err(error) => vec![error.to_string()],
    }
}

#[test]
fn each_method_that_admits_nobody_is_named() {
    let policy = |policy: &str| format!("option (bookstore.auth.v1.policy) = {policy};");
    let named = faults(&[
        "",
        "option idempotency_level = IDEMPOTENT;",
        &policy("{}"),
        &policy(r#"{permission: ""}"#),
        &policy(r#"{permission: "orders.plaice"}"#),
        &policy("{services: {}}"),
        &policy(r#"{services: {names: ["order", " "]}}"#),
        &policy("{anyone: {}}"),
        &policy("{signed_in: {}}"),
        &policy(r#"{permission: "orders.place"}"#),
        &policy(r#"{services: {names: ["order", "payment"]}}"#),
    ]);
    let expected = [
        "/new.New/M0 has no policy",
        "/new.New/M1 has no policy",
        "/new.New/M2 has an empty policy",
        r#"/new.New/M3 asks for "", which is no permission of the shop"#,
        r#"/new.New/M4 asks for "orders.plaice", which is no permission of the shop"#,
        "/new.New/M5 names no service",
        "/new.New/M6 names no service",
    ];
    assert_eq!(named, expected);
    assert!(faults(&[&policy("{anyone: {}}")]).is_empty());
}

#[test]
fn a_contract_without_the_option_or_none_at_all_is_refused() {
    assert!(matches!(Policies::of(&[]), Err(Error::NoOption)));
    assert!(matches!(Policies::of(b"no contract"), Err(Error::Contract(_))));
}

#[test]
fn each_policy_admits_whom_it_names() {
    let order = Allow::Services(vec!["order".to_owned()]);
    let place = Allow::Permission(Permission::ORDERS_PLACE);
    let (nobody, customer, admin) =
        (Caller::Anonymous, user(&[Permission::ORDERS_PLACE]), user(Permission::ALL));
    let lesser = user(&[Permission::USERS_READ]);
    let missing = Err(Refused::Permission(Permission::ORDERS_PLACE));
    for (allow, caller, peer, outcome) in [
        (&Allow::Anyone, &nobody, None, Ok(())),
        (&Allow::Anyone, &customer, Some("gateway"), Ok(())),
        (&Allow::SignedIn, &nobody, Some("gateway"), Err(Refused::SignIn)),
        (&Allow::SignedIn, &nobody, Some("order"), Err(Refused::SignIn)),
        (&Allow::SignedIn, &lesser, None, Ok(())),
        (&place, &nobody, Some("order"), Err(Refused::SignIn)),
        (&place, &lesser, Some("order"), missing),
        (&place, &customer, Some("gateway"), Ok(())),
        (&order, &nobody, Some("order"), Ok(())),
        (&order, &customer, Some("order"), Ok(())),
        (&order, &nobody, None, Err(Refused::ServicesOnly)),
        (&order, &nobody, Some("payment"), Err(Refused::ServicesOnly)),
        (&order, &nobody, Some("Order"), Err(Refused::ServicesOnly)),
        (&order, &admin, Some("gateway"), Err(Refused::ServicesOnly)),
        (&order, &admin, None, Err(Refused::ServicesOnly)),
    ] {
        let peer = peer.map(Peer::new);
        assert_eq!(allow.admits(caller, peer.as_ref()), outcome, "{allow:?} {caller:?} {peer:?}");
    }
}

prop_compose! {
    fn permissions()(chosen in prop::sample::subsequence(Permission::ALL, 0..=Permission::ALL.len())) -> Vec<Permission> {
        chosen
    }
}

proptest! {
    #[test]
    fn no_method_of_the_contract_admits_more_than_its_policy_names(
        held in permissions(),
        is_signed_in: bool,
        peer in prop::option::of("(gateway|identity|inventory|order|payment|[a-z]{0,8})"),
    ) {
        let caller = if is_signed_in { user(&held) } else { Caller::Anonymous };
        let peer = peer.as_deref().map(Peer::new);
        for method in &real() {
            let may = match &method.allow {
                Allow::Anyone => true,
                Allow::SignedIn => is_signed_in,
                Allow::Permission(needed) => is_signed_in && held.contains(needed),
                Allow::Services(names) => peer.as_ref().is_some_and(|peer| names.contains(&peer.service().to_owned())),
            };
            prop_assert_eq!(method.allow.admits(&caller, peer.as_ref()).is_ok(), may, "{}", method.path());
        }
    }
}

#[test]
fn permissions_are_called_as_the_contract_writes_them() {
    for permission in Permission::ALL {
        assert_eq!(permission.name().parse(), Ok(*permission));
    }
    assert!("orders.plaice".parse::<Permission>().is_err());
    assert!("Orders.Place".parse::<Permission>().is_err());
    let named: Arc<[_]> = Permission::ALL.iter().map(ToString::to_string).collect();
    assert_eq!(named.len(), named.iter().collect::<HashSet<_>>().len());
}
