use proto::order::v1::OrderCancelled;
use values::UserId;

use super::{Newsworthy, reference};
use crate::domain::news::{News, Reason};

impl Newsworthy for OrderCancelled {
    const STREAM: &'static str = "ORDER";
    const DURABLE: &'static str = "notification_order_cancelled";

    fn news(&self) -> Result<Option<(UserId, String, News)>, String> {
        let order = reference("order_id", &self.order_id)?;
        let news = News::Cancelled { order, reason: Reason::of(self.reason()) };
        Ok(Some((reference("user_id", &self.user_id)?, self.order_id.clone(), news)))
    }
}
