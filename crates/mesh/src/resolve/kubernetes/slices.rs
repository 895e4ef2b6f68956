//! What the slices of a Service say.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
};

use k8s_openapi::api::discovery::v1::{self as api, EndpointSlice};

use super::super::{Found, Replica};
use crate::target::ServicePort;

/// All slices of one Service, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Slices(BTreeMap<String, Slice>);

/// What counts of one slice.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Slice {
    /// TCP only.
    ports: Vec<(String, u16)>,
    endpoints: Vec<Endpoint>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Endpoint {
    ip: IpAddr,
    state: State,
    node: Option<String>,
    zone: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ready,
    /// It goes, and still answers.
    Leaving,
    NotReady,
}

impl Slices {
    pub(super) fn put(&mut self, slice: EndpointSlice) {
        let name = slice.metadata.name.clone().unwrap_or_default();
        self.0.insert(name, Slice::read(slice));
    }

    pub(super) fn remove(&mut self, slice: &EndpointSlice) {
        self.0.remove(slice.metadata.name.as_deref().unwrap_or_default());
    }

    fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.0.values().flat_map(|slice| &slice.endpoints)
    }

    /// Whether it matters in which zone the caller is.
    pub(super) fn are_in_zones(&self) -> bool {
        let mut zones = self.endpoints().map(|endpoint| &endpoint.zone);
        zones.next().is_some_and(|first| zones.any(|zone| zone != first))
    }

    pub(super) fn zone_of(&self, node: &str) -> Option<&str> {
        let mut endpoints = self.endpoints();
        endpoints.find(|endpoint| endpoint.node.as_deref() == Some(node))?.zone.as_deref()
    }

    /// The ports that have endpoints, if this isn't one of them.
    pub(super) fn other_ports(&self, port: &ServicePort) -> Option<BTreeSet<&str>> {
        let ServicePort::Name(wanted) = port else { return None };
        let slices = self.0.values().filter(|slice| !slice.endpoints.is_empty());
        let names: BTreeSet<_> =
            slices.flat_map(|slice| slice.ports.iter().map(|(name, _)| name.as_str())).collect();
        (!names.is_empty() && !names.contains(wanted.as_str())).then_some(names)
    }

    /// Who takes calls: those who are ready or, rather than nobody, those who are on their way out and still answer. Of a
    /// Service with two families of addresses each pod counts once.
    pub(super) fn found(&self, port: &ServicePort, here: Option<&str>) -> Found {
        let in_state = |state: State| {
            let of_family =
                |is_v4: bool| self.at(port, move |it| it.state == state && it.ip.is_ipv4() == is_v4);
            [true, false].map(of_family).into_iter().find(|chosen| !chosen.is_empty())
        };
        let chosen = in_state(State::Ready).or_else(|| in_state(State::Leaving)).unwrap_or_default();
        let zones: BTreeSet<_> = chosen.values().collect();
        let is_near = |zone: Option<&str>| here.is_none() || zone == here;
        let replicas =
            chosen.iter().map(|(address, zone)| Replica { address: *address, is_near: is_near(*zone) });
        Found { replicas: replicas.collect(), zones: zones.len() }
    }

    /// While the pods of a Service move from one slice to another, they are in both.
    fn at(
        &self,
        port: &ServicePort,
        is_meant: impl Fn(&Endpoint) -> bool,
    ) -> BTreeMap<SocketAddr, Option<&str>> {
        let mut chosen = BTreeMap::new();
        for slice in self.0.values() {
            let Some(port) = slice.port(port) else { continue };
            for endpoint in slice.endpoints.iter().filter(|endpoint| is_meant(endpoint)) {
                chosen.insert(SocketAddr::new(endpoint.ip, port), endpoint.zone.as_deref());
            }
        }
        chosen
    }
}

impl Slice {
    fn read(slice: EndpointSlice) -> Self {
        let ports = slice.ports.unwrap_or_default().into_iter().filter_map(|port| {
            let is_tcp = port.protocol.is_none_or(|protocol| protocol == "TCP");
            let number = port.port.and_then(|port| u16::try_from(port).ok())?;
            is_tcp.then_some((port.name.unwrap_or_default(), number))
        });
        Self {
            ports: ports.collect(),
            endpoints: slice.endpoints.into_iter().filter_map(Endpoint::read).collect(),
        }
    }

    fn port(&self, port: &ServicePort) -> Option<u16> {
        match port {
            ServicePort::Number(number) => Some(*number),
            ServicePort::Name(wanted) => {
                self.ports.iter().find_map(|(name, number)| (name == wanted).then_some(*number))
            }
        }
    }
}

impl Endpoint {
    /// Nothing if it has no address, but a name. The addresses of one endpoint are interchangeable; the first is enough.
    fn read(endpoint: api::Endpoint) -> Option<Self> {
        let ip = endpoint.addresses.first()?.parse().ok()?;
        let conditions = endpoint.conditions.unwrap_or_default();
        // What isn't said counts as the API's documentation has it.
        let is_ready = conditions.ready.unwrap_or(true);
        let is_serving = conditions.serving.unwrap_or(is_ready);
        let is_terminating = conditions.terminating.unwrap_or(false);
        let state = match () {
            () if is_ready => State::Ready,
            () if is_serving && is_terminating => State::Leaving,
            () => State::NotReady,
        };
        Some(Self { ip, state, node: endpoint.node_name, zone: endpoint.zone })
    }
}

#[cfg(test)]
mod tests;
