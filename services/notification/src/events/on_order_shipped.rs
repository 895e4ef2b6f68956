use proto::order::v1::OrderShipped;
use values::UserId;

use super::{Newsworthy, reference};
use crate::domain::news::News;

impl Newsworthy for OrderShipped {
    const STREAM: &'static str = "ORDER";
    const DURABLE: &'static str = "notification_order_shipped";

    fn news(&self) -> Result<Option<(UserId, String, News)>, String> {
        let news = News::Shipped {
            order: reference("order_id", &self.order_id)?,
            tracking_number: self.tracking_number.clone(),
            carrier: self.carrier.clone(),
        };
        Ok(Some((reference("user_id", &self.user_id)?, self.order_id.clone(), news)))
    }
}
