//! Following an order.

use std::time::Duration;

use proto::order::v1::{OrderState, OrderStatus, WatchOrderRequest};
use tonic::{Code, Status};

use super::print;
use crate::{endpoints::Endpoints, failure::Failure, output::Output, session::Session};

const PAUSE: Duration = Duration::from_secs(1);
/// Reconnecting goes on for about as long as a restart takes.
const RECONNECTS: u32 = 60;

/// Prints each change of an order until it is confirmed or cancelled. A stream that the shop ends early is asked for
/// again.
pub(super) async fn until_settled(
    at: &Endpoints,
    session: &Session,
    output: &Output,
    order_id: &str,
) -> Result<(), Failure> {
    let mut last_version = 0;
    let mut reconnects = 0;
    loop {
        match follow_once(at, session, output, order_id, &mut last_version).await {
            Ok(true) => return Ok(()),
            Err(Failure::Refused(refusal)) if !may_pass(&refusal.status) => {
                return Err(Failure::Refused(refusal));
            }
            Err(failure @ (Failure::SignIn(_) | Failure::Usage(_))) => return Err(failure),
            Err(failure) if reconnects == RECONNECTS => return Err(failure),
            Ok(false) | Err(_) => {
                reconnects += 1;
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Whether the order was settled before the stream ended.
async fn follow_once(
    at: &Endpoints,
    session: &Session,
    output: &Output,
    order_id: &str,
    last_version: &mut i64,
) -> Result<bool, Failure> {
    let request = session.sign(WatchOrderRequest { order_id: order_id.to_owned() });
    let mut changes = at.order().await?.watch_order(request).await?.into_inner();
    while let Some(status) = changes.message().await? {
        if status.version > *last_version {
            *last_version = status.version;
            output.event(&status, print::status);
        }
        if is_settled(&status) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_settled(status: &OrderStatus) -> bool {
    matches!(status.state(), OrderState::Confirmed | OrderState::Cancelled)
}

fn may_pass(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::Cancelled | Code::DeadlineExceeded | Code::Unknown)
}
