use k8s_openapi::api::discovery::v1::{EndpointConditions, EndpointPort};

use super::*;

fn pod(ip: &str, conditions: (bool, bool, bool), place: (&str, &str)) -> api::Endpoint {
    let (ready, serving, terminating) = conditions;
    let conditions =
        EndpointConditions { ready: Some(ready), serving: Some(serving), terminating: Some(terminating) };
    api::Endpoint {
        addresses: vec![ip.to_owned()],
        conditions: Some(conditions),
        node_name: Some(place.0.to_owned()),
        zone: Some(place.1.to_owned()),
        ..api::Endpoint::default()
    }
}

const READY: (bool, bool, bool) = (true, true, false);
const STARTING: (bool, bool, bool) = (false, false, false);
const LEAVING: (bool, bool, bool) = (false, true, true);
const ENDING: (bool, bool, bool) = (false, false, true);
const HERE: (&str, &str) = ("node-1", "a");
const THERE: (&str, &str) = ("node-2", "b");

fn port(name: &str, number: i32) -> EndpointPort {
    EndpointPort { name: Some(name.to_owned()), port: Some(number), ..EndpointPort::default() }
}

fn slice(name: &str, ports: Vec<EndpointPort>, endpoints: Vec<api::Endpoint>) -> EndpointSlice {
    let mut slice = EndpointSlice { endpoints, ports: Some(ports), ..EndpointSlice::default() };
    slice.metadata.name = Some(name.to_owned());
    slice
}

fn all(given: Vec<EndpointSlice>) -> Slices {
    let mut slices = Slices::default();
    for slice in given {
        slices.put(slice);
    }
    slices
}

fn grpc() -> ServicePort {
    ServicePort::Name("grpc".to_owned())
}

fn addresses(slices: &Slices, port: &ServicePort) -> Vec<String> {
    slices.found(port, None).replicas.iter().map(|it| it.address.to_string()).collect()
}

#[test]
fn several_slices_are_one_set_and_repeats_count_once() {
    let slices = all(vec![
        slice(
            "x",
            vec![port("grpc", 50051)],
            vec![pod("10.0.0.1", READY, HERE), pod("10.0.0.2", READY, HERE)],
        ),
        slice("y", vec![port("grpc", 50052)], vec![pod("10.0.0.3", READY, HERE)]),
        slice("z", vec![port("grpc", 50051)], vec![pod("10.0.0.2", READY, HERE)]),
    ]);
    assert_eq!(addresses(&slices, &grpc()), ["10.0.0.1:50051", "10.0.0.2:50051", "10.0.0.3:50052"]);
}

#[test]
fn a_slice_that_is_written_anew_or_taken_away_is_followed() {
    let mut slices = all(vec![slice("x", vec![port("grpc", 1)], vec![pod("10.0.0.1", READY, HERE)])]);
    let newer = slice("x", vec![port("grpc", 1)], vec![pod("10.0.0.2", READY, HERE)]);
    slices.put(newer.clone());
    assert_eq!(addresses(&slices, &grpc()), ["10.0.0.2:1"]);
    slices.remove(&newer);
    assert_eq!(slices.found(&grpc(), None), Found::default());
}

#[test]
fn the_ready_take_calls_or_else_those_who_leave_and_still_answer() {
    let ports = || vec![port("grpc", 1)];
    let leaving =
        [pod("10.0.0.2", STARTING, HERE), pod("10.0.0.3", LEAVING, HERE), pod("10.0.0.4", ENDING, HERE)];
    let mut some = vec![pod("10.0.0.1", READY, HERE)];
    some.extend(leaving.clone());
    assert_eq!(addresses(&all(vec![slice("x", ports(), some)]), &grpc()), ["10.0.0.1:1"]);
    assert_eq!(addresses(&all(vec![slice("x", ports(), leaving.to_vec())]), &grpc()), ["10.0.0.3:1"]);
    let nobody = vec![pod("10.0.0.2", STARTING, HERE)];
    assert_eq!(addresses(&all(vec![slice("x", ports(), nobody)]), &grpc()), Vec::<String>::new());
}

#[test]
fn what_is_not_said_is_ready() {
    let mut silent = pod("10.0.0.1", READY, HERE);
    silent.conditions = None;
    assert_eq!(
        addresses(&all(vec![slice("x", vec![port("grpc", 1)], vec![silent])]), &grpc()),
        ["10.0.0.1:1"]
    );
}

#[test]
fn a_port_is_found_by_its_name_or_taken_by_its_number() {
    let udp = EndpointPort { protocol: Some("UDP".to_owned()), ..port("grpc", 2) };
    let ports = vec![udp, port("admin", 3), port("grpc", 1)];
    let slices = all(vec![slice("x", ports, vec![pod("10.0.0.1", READY, HERE)])]);
    assert_eq!(addresses(&slices, &grpc()), ["10.0.0.1:1"]);
    assert_eq!(addresses(&slices, &ServicePort::Number(50051)), ["10.0.0.1:50051"]);
    assert_eq!(slices.other_ports(&grpc()), None);
    let wrong = ServicePort::Name("http".to_owned());
    assert_eq!(addresses(&slices, &wrong), Vec::<String>::new());
    assert_eq!(slices.other_ports(&wrong), Some(BTreeSet::from(["admin", "grpc"])));
}

#[test]
fn of_two_families_one_is_used() {
    let ports = || vec![port("grpc", 1)];
    let v4 = slice("x", ports(), vec![pod("10.0.0.1", READY, HERE)]);
    let v6 = slice("y", ports(), vec![pod("fd00::1", READY, HERE)]);
    let names = slice("z", ports(), vec![pod("inventory.example", READY, HERE)]);
    assert_eq!(addresses(&all(vec![v4, v6.clone(), names]), &grpc()), ["10.0.0.1:1"]);
    assert_eq!(addresses(&all(vec![v6]), &grpc()), ["[fd00::1]:1"]);
}

#[test]
fn who_is_in_the_callers_zone_is_near() {
    let pods = vec![pod("10.0.0.1", READY, HERE), pod("10.0.0.2", READY, THERE)];
    let slices = all(vec![slice("x", vec![port("grpc", 1)], pods)]);
    let near = |here| {
        let found = slices.found(&grpc(), here);
        assert_eq!(found.zones, 2);
        found.replicas.iter().map(|it| it.is_near).collect::<Vec<_>>()
    };
    assert_eq!(near(Some("a")), [true, false]);
    assert_eq!(near(Some("c")), [false, false]);
    assert_eq!(near(None), [true, true], "nobody knows");
    assert!(slices.are_in_zones());
    assert_eq!(slices.zone_of("node-2"), Some("b"));
    assert_eq!(slices.zone_of("node-3"), None);
}
