use http::{Response, request::Parts};
use tonic::{Status, body::Body};
use tracing::Instrument as _;

use super::Admission;
use crate::{attempt::Call, payload::Payload, retry};

impl Admission {
    /// Sees a trial through, also when its caller leaves. Of calls made together one is the trial and the others are
    /// refused; whoever gives up at the first refusal would end each trial, and the service would never be asked again.
    pub(super) async fn try_out(
        self,
        head: Parts,
        payload: Payload,
        call: Call,
    ) -> Result<Response<Body>, Status> {
        let trial = async move {
            let mut admission = self;
            let callee = admission.callee.clone();
            let (response, verdict) = call.deadline.limit(callee.attempts(&head, &payload, call)).await?;
            admission.verdict = verdict;
            Ok(response)
        };
        let ended = tokio::spawn(trial.in_current_span()).await;
        ended.unwrap_or_else(|_| Err(retry::unreachable("the attempt was cut off")))
    }
}
