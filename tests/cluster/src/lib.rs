//! The chart on a real cluster.
//!
//! A [`Shop`] is the chart in a namespace of its own. Tests use it through the gateway as customers do, break it through
//! the Kubernetes API, and have `verify` look at it from behind, as a Job. They need nothing of the cluster but a
//! kubeconfig: whatever they ask goes through its API server.

mod cluster;
mod executioner;
mod forward;
mod helm;
mod kubelet;
mod pods;
mod probe;
mod shop;
mod traces;
mod traffic;
mod troubles;
mod verdict;
mod workloads;

pub use cluster::Cluster;
pub use executioner::Executioner;
pub use helm::Helm;
pub use kubelet::Memory;
pub use probe::Probe;
pub use shop::{COMPONENTS, SERVICES, Shop};
pub use traffic::Traffic;
