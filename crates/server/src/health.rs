//! Whether this process is to be given calls, told alike on both ports.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tonic_health::{
    ServingStatus,
    pb::health_server::HealthServer,
    server::{HealthReporter, HealthService},
};

/// The name of a service: what strangers ask may hold no memory.
const LARGEST_QUESTION: usize = 1024;

/// Readiness: migrated, knows which sessions have ended, and not draining.
#[derive(Clone, Debug)]
pub(crate) struct Health {
    is_ready: Arc<AtomicBool>,
    reporter: HealthReporter,
}

impl Health {
    /// Not ready.
    pub(crate) async fn new() -> Self {
        let reporter = HealthReporter::new();
        reporter.set_service_status("", ServingStatus::NotServing).await;
        Self { is_ready: Arc::new(AtomicBool::new(false)), reporter }
    }

    /// The `grpc.health.v1` service.
    pub(crate) fn grpc(&self) -> HealthServer<HealthService> {
        HealthServer::new(HealthService::from_health_reporter(self.reporter.clone()))
            .max_decoding_message_size(LARGEST_QUESTION)
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.is_ready.load(Ordering::Acquire)
    }

    /// What is told of a dependency, under its own name. It changes nothing about readiness.
    pub(crate) async fn set_dependency(&self, name: &'static str, is_up: bool) {
        let status = if is_up { ServingStatus::Serving } else { ServingStatus::NotServing };
        self.reporter.set_service_status(name, status).await;
    }

    pub(crate) async fn set_ready(&self, rpcs: &[&'static str], is_ready: bool) {
        self.is_ready.store(is_ready, Ordering::Release);
        let status = if is_ready { ServingStatus::Serving } else { ServingStatus::NotServing };
        for rpc in rpcs {
            self.reporter.set_service_status(rpc, status).await;
        }
        self.reporter.set_service_status("", status).await;
    }
}
