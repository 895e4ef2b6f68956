use proto::order::v1::OrderConfirmed;
use values::UserId;

use super::{Newsworthy, reference};
use crate::domain::news::News;

impl Newsworthy for OrderConfirmed {
    const STREAM: &'static str = "ORDER";
    const DURABLE: &'static str = "notification_order_confirmed";

    fn news(&self) -> Result<Option<(UserId, String, News)>, String> {
        let order = reference("order_id", &self.order_id)?;
        let user = reference("user_id", &self.user_id)?;
        Ok(Some((user, self.order_id.clone(), News::Confirmed { order })))
    }
}
