//! Why a Service is not watched at the moment.

use kube::core::Status;
use tower::BoxError;

#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("`k8s:///` is for pods with a service-account token (`automountServiceAccountToken`)")]
    NoPod(#[source] BoxError),
    #[error(
        "the service account needs a Role with get, list and watch on endpointslices.discovery.k8s.io: {0}"
    )]
    Forbidden(String),
    #[error("the service account's token was refused: {0}")]
    Unauthorized(String),
    #[error("what was to be watched from is gone")]
    Gone,
    #[error("{0}")]
    Refused(String),
    #[error("the Kubernetes API can't be asked")]
    Unreachable(#[source] kube::Error),
    #[error("the Kubernetes API doesn't answer")]
    Silent,
    #[error("the watch ended at once")]
    Short,
}

impl Failure {
    /// For metrics.
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::NoPod(_) => "no_pod",
            Self::Forbidden(_) => "forbidden",
            Self::Unauthorized(_) => "unauthorized",
            Self::Gone => "gone",
            Self::Refused(_) => "refused",
            Self::Unreachable(_) => "unreachable",
            Self::Silent => "silent",
            Self::Short => "short",
        }
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        match status.code {
            401 => Self::Unauthorized(status.message),
            403 => Self::Forbidden(status.message),
            410 => Self::Gone,
            _ => Self::Refused(status.message),
        }
    }
}

impl From<kube::Error> for Failure {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => (*status).into(),
            error => Self::Unreachable(error),
        }
    }
}
