//! The contract between the services: messages, clients and servers generated from `proto/bookstore/`.
//!
//! What each message and call means is said in the `.proto` files, which reflection serves too.

mod generated {
    include!(concat!(env!("OUT_DIR"), "/bookstore.rs"));
}

pub use generated::bookstore::*;

/// The encoded `FileDescriptorSet` of the whole contract, comments and options included.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/bookstore.fds"));
