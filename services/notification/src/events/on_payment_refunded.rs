use proto::{payment::v1::PaymentRefunded, types::v1 as types};
use server::wire::{above_zero, parse_money};
use values::{Money, UserId, Violations};

use super::{Newsworthy, reference};
use crate::domain::news::News;

impl Newsworthy for PaymentRefunded {
    const STREAM: &'static str = "PAYMENT";
    const DURABLE: &'static str = "notification_payment_refunded";

    fn news(&self) -> Result<Option<(UserId, String, News)>, String> {
        // The release of payment before this one doesn't say whose it is.
        if self.user_id.is_empty() {
            return Ok(None);
        }
        let order = reference("order_id", &self.order_id)?;
        let amount = amount("amount", self.amount.as_ref())?;
        let refunded =
            self.refunded.as_ref().map(|refunded| self::amount("refunded", Some(refunded))).transpose()?;
        let news = News::Refunded { order, amount, refunded };
        Ok(Some((reference("user_id", &self.user_id)?, self.order_id.clone(), news)))
    }
}

fn amount(field: &str, money: Option<&types::Money>) -> Result<Money, String> {
    let mut violations = Violations::new();
    let amount = parse_money(&mut violations, field, money.cloned(), above_zero);
    violations.finish(amount).map_err(|violations| violations.to_string())
}
