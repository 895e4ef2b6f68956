//! Following an order.

use std::time::Duration;

use proto::order::v1::{OrderState, OrderStatus, WatchOrderRequest};
use tonic::{Code, Status};

use super::print;
use crate::{failure::Failure, gateway::Gateway, output::Output, session::Session};

const PAUSE: Duration = Duration::from_secs(1);
/// Reconnecting goes on for about as long as a restart takes.
const RECONNECTS: u32 = 60;

/// Prints each change of an order until it is confirmed or cancelled. A stream that the shop ends early is asked for
/// again.
pub(super) async fn until_settled(
    at: &Gateway,
    session: &Session<'_>,
    output: &Output,
    order_id: &str,
) -> Result<(), Failure> {
    let mut follower = Follower::default();
    while let Err(failure) = follow_once(at, session, output, order_id, &mut follower).await {
        // A stream may be open for longer than a token is good.
        let is_renewed = matches!(failure, Failure::SignIn { .. }) && session.renew().await?;
        follower.bear(failure, is_renewed)?;
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// Ends well once the order is settled.
async fn follow_once(
    at: &Gateway,
    session: &Session<'_>,
    output: &Output,
    order_id: &str,
    follower: &mut Follower,
) -> Result<(), Failure> {
    let request = session.sign(WatchOrderRequest { order_id: order_id.to_owned() });
    let mut changes = at.order().await?.watch_order(request).await?.into_inner();
    while let Some(status) = changes.message().await? {
        if follower.learns_from(&status) {
            output.event(&status, print::status);
        }
        if is_settled(&status) {
            return Ok(());
        }
    }
    Err(Status::unavailable("the shop ended the stream before the order was settled").into())
}

/// Somebody who has seen an order up to a version, and asks again while there is hope.
#[derive(Default)]
struct Follower {
    version: i64,
    /// Since the last change.
    reconnects: u32,
}

impl Follower {
    /// Whether this is news: each new stream begins with what may be known.
    const fn learns_from(&mut self, status: &OrderStatus) -> bool {
        let is_news = status.version > self.version;
        if is_news {
            *self = Self { version: status.version, reconnects: 0 };
        }
        is_news
    }

    /// Counts a stream that ended early; the failure comes back if asking again is no use.
    fn bear(&mut self, failure: Failure, is_renewed: bool) -> Result<(), Failure> {
        if self.reconnects >= RECONNECTS || !(is_renewed || may_pass(&failure)) {
            return Err(failure);
        }
        self.reconnects += 1;
        Ok(())
    }
}

/// Whether nothing more will be told: an order may have been confirmed long ago.
fn is_settled(status: &OrderStatus) -> bool {
    !matches!(status.state(), OrderState::Unspecified | OrderState::Pending)
}

fn may_pass(failure: &Failure) -> bool {
    match failure {
        Failure::Refused(refusal) => matches!(
            refusal.status.code(),
            Code::Unavailable
                | Code::Cancelled
                | Code::DeadlineExceeded
                | Code::ResourceExhausted
                | Code::Unknown
        ),
        Failure::Unreachable { .. } => true,
        Failure::NotPossible(_)
        | Failure::Usage(_)
        | Failure::SignIn { .. }
        | Failure::OnlyRegistered { .. }
        | Failure::OnlyForgotten { .. }
        | Failure::Incomplete(_)
        | Failure::PerhapsDeleted { .. }
        | Failure::OutcomeUnknown(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken() -> Failure {
        Status::unavailable("").into()
    }

    /// How many streams may end early before the follower gives up.
    fn patience(follower: &mut Follower) -> usize {
        std::iter::repeat_with(|| follower.bear(broken(), false)).take_while(Result::is_ok).count()
    }

    #[test]
    fn a_shop_that_only_ends_streams_is_given_up_in_the_end() {
        let mut follower = Follower::default();

        assert_eq!(patience(&mut follower), 60);
        assert!(follower.bear(broken(), false).is_err(), "once given up it stays so");
    }

    #[test]
    fn a_change_renews_the_patience_and_what_is_known_does_not() {
        let mut follower = Follower::default();
        let placed = OrderStatus { version: 1, ..OrderStatus::default() };
        patience(&mut follower);

        assert!(follower.learns_from(&placed));
        assert_eq!(patience(&mut follower), 60);
        assert!(!follower.learns_from(&placed));
        assert_eq!(patience(&mut follower), 0);
    }

    #[test]
    fn an_order_that_is_past_its_confirmation_is_waited_for_no_more() {
        let settled =
            |state: OrderState| is_settled(&OrderStatus { state: state.into(), ..Default::default() });
        let past = [OrderState::Confirmed, OrderState::Cancelled, OrderState::Shipped, OrderState::Returned];
        assert!(past.into_iter().all(settled) && !settled(OrderState::Pending));
    }

    #[test]
    fn a_refusal_is_told_at_once() {
        assert!(Follower::default().bear(Status::not_found("no such order").into(), false).is_err());
        assert!(Follower::default().bear(Failure::sign_in("nobody is signed in"), false).is_err());
        assert!(Follower::default().bear(Failure::sign_in("the token has run out"), true).is_ok());
    }
}
