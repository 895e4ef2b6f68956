//! What a process serves.

use std::{convert::Infallible, fmt, future::Future, pin::Pin};

use tonic::{body::Body, server::NamedService, service::Routes};

/// What an [`Application`](crate::Application) answers, and what it does meanwhile.
pub struct Service {
    pub(crate) name: &'static str,
    pub(crate) verifier: auth::Verifier,
    pub(crate) routes: Routes,
    pub(crate) rpcs: Vec<&'static str>,
    pub(crate) tasks: Vec<Task>,
}

pub(crate) struct Task {
    pub(crate) name: &'static str,
    pub(crate) work: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Task {
    pub(crate) fn new(name: &'static str, work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { name, work: Box::pin(work) }
    }
}

impl Service {
    /// Serves nothing yet; callers will be told by `verifier`.
    #[must_use]
    pub fn new(name: &'static str, verifier: auth::Verifier) -> Self {
        Self { name, verifier, routes: Routes::default(), rpcs: Vec::new(), tasks: Vec::new() }
    }

    /// Serves a gRPC service too.
    #[must_use]
    pub fn rpc<S>(mut self, rpc: S) -> Self
    where
        S: tower::Service<http::Request<Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Response: axum::response::IntoResponse,
        S::Future: Send + 'static,
    {
        self.routes = self.routes.add_service(rpc);
        self.rpcs.push(S::NAME);
        self
    }

    /// Works on this too, from before readiness on. It ends when [`Context::stop`](crate::Context::stop) is cancelled; if
    /// it ends before, the process stops, since a service that no longer does all of its work must be started again.
    #[must_use]
    pub fn task(mut self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) -> Self {
        self.tasks.push(Task::new(name, work));
        self
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Service")
            .field("name", &self.name)
            .field("rpcs", &self.rpcs)
            .finish_non_exhaustive()
    }
}
