//! Readers of bytes that are nobody's business but the gateway's, and the fuzzer's.

use std::{net::IpAddr, time::Duration};

use auth::Verifier;
use http::HeaderMap;
use tonic::Status;
use values::Clock;

use crate::{Networks, caller::Callers, headers, reflection, request_id::RequestId, route};

/// What the gateway makes of the head of a request.
#[derive(Debug)]
pub struct Heads {
    routes: route::Routes,
    callers: Callers,
}

/// A head that is passed on.
#[derive(Debug)]
pub struct Passed {
    /// The path, which is one of the contract.
    pub path: String,
    /// Who called.
    pub client: IpAddr,
    /// What the request is called.
    pub request_id: String,
}

impl Heads {
    /// By our own contract.
    ///
    /// # Errors
    /// It can't be read.
    pub fn new(trusted_proxies: Networks) -> Result<Self, server::BuildError> {
        reflection::public(proto::FILE_DESCRIPTOR_SET)?;
        let verifier = Verifier::with_keys(Vec::new());
        Ok(Self {
            routes: route::Routes::of(proto::FILE_DESCRIPTOR_SET)?,
            callers: Callers::new(verifier, Clock::system(), trusted_proxies.0),
        })
    }

    /// Reads a head; the headers are left as a service gets them.
    ///
    /// # Errors
    /// It is refused.
    pub fn pass(&self, path: &str, of: &mut HeaderMap, peer: IpAddr) -> Result<Passed, Status> {
        let id = RequestId::of(of);
        let client = self.callers.client(of, peer);
        let (path, method) = self.routes.find(path)?;
        method.upstream(of)?;
        headers::clean_request(of);
        headers::set_deadline(of, Some(Duration::from_secs(20)))?;
        id.show(of);
        headers::fit(of)?;
        Ok(Passed { path: path.to_owned(), client, request_id: id.as_str().to_owned() })
    }
}
