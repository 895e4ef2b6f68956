use proto::notification::v1 as wire;
use values::{
    DeliveryId, UserId, Violations,
    page::{self, PageSize},
};

use super::Deliveries;
use crate::{
    error::Error,
    store::deliveries::{self, State},
};

/// Lists what was told and is to be told, the newest first. The policy has let in who may read it all.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field, or a page token of another list
pub(super) async fn list_deliveries(
    rpc: &Deliveries,
    request: wire::ListDeliveriesRequest,
) -> Result<wire::ListDeliveriesResponse, Error> {
    let mut violations = Violations::new();
    let size = violations.take("page_size", PageSize::parse(request.page_size));
    let user: Option<Option<UserId>> = match request.user_id.as_str() {
        "" => Some(None),
        text => violations.parse("user_id", text).map(Some),
    };
    let state = violations.take("state", state(request.state));
    let scope = format!("ListDeliveries {} {}", request.user_id, request.state);
    let before = violations.take("page_token", page::decode::<DeliveryId>(&scope, &request.page_token));
    let parsed = size.zip(user).zip(state).zip(before);
    let (((size, user), state), before) = violations.finish(parsed)?;

    // One more than the page tells whether another follows.
    let mut found = deliveries::page(&rpc.db, user, state, before, size.get() + 1).await?;
    let size = usize::try_from(size.get()).unwrap_or(usize::MAX);
    let more = found.len() > size;
    found.truncate(size);
    let next_page_token = match found.last() {
        Some(last) if more => page::encode(&scope, &last.id),
        _ => String::new(),
    };
    Ok(wire::ListDeliveriesResponse {
        deliveries: found.into_iter().map(Into::into).collect(),
        next_page_token,
    })
}

/// `None` for all.
fn state(state: i32) -> Result<Option<State>, &'static str> {
    match wire::DeliveryState::try_from(state) {
        Ok(wire::DeliveryState::Unspecified) => Ok(None),
        Ok(wire::DeliveryState::Pending) => Ok(Some(State::Pending)),
        Ok(wire::DeliveryState::Sent) => Ok(Some(State::Sent)),
        Ok(wire::DeliveryState::Failed) => Ok(Some(State::Failed)),
        Err(_) => Err("must be a state of a delivery"),
    }
}
