//! The secrets of a shop on Kubernetes that nobody has given it: its services' certificates, identity's signing key, and
//! accounts for databases, broker and the first admin.
//!
//! [`plan`] decides, from the Secrets that are there and the time; [`cluster`] reads and writes. What is there already is
//! never overwritten, but for certificates that this program itself has made.

pub mod cluster;
pub mod plan;
pub mod show;
pub mod wanted;
