use proto::order::v1::CancelReason;
use serde::{Deserialize, Serialize};
use values::{Money, OrderId};

/// What somebody is told, as it is kept until they are. Names, addresses and e-mail addresses are no part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub(crate) enum News {
    /// The user is registered.
    Registered,
    /// An order is paid, and its books are set aside.
    Confirmed { order: OrderId },
    /// A shop has sent its part of an order.
    Shipped { order: OrderId, tracking_number: String, carrier: String },
    /// An order ended.
    Cancelled { order: OrderId, reason: Option<Reason> },
    /// Money was given back for an order.
    Refunded {
        order: OrderId,
        /// What was given back this time.
        amount: Money,
        /// And altogether, if that is known.
        refunded: Option<Money>,
    },
}

/// Why an order ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reason {
    CustomerRequest,
    InsufficientFunds,
    PaymentDeclined,
    PaymentTimeout,
    StockLost,
    Staff,
}

impl Reason {
    /// Nothing for one that this release doesn't know: the customer is told all the same.
    pub(crate) const fn of(reason: CancelReason) -> Option<Self> {
        match reason {
            CancelReason::Unspecified => None,
            CancelReason::CustomerRequest => Some(Self::CustomerRequest),
            CancelReason::InsufficientFunds => Some(Self::InsufficientFunds),
            CancelReason::PaymentDeclined => Some(Self::PaymentDeclined),
            CancelReason::PaymentTimeout => Some(Self::PaymentTimeout),
            CancelReason::StockLost => Some(Self::StockLost),
            CancelReason::Staff => Some(Self::Staff),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_earlier_release_wrote_is_read() {
        let order: OrderId = "ord_01h455vb4pex5vsknk084sn02q".parse().unwrap();
        for (kept, news) in [
            (r#"{"what":"registered"}"#, News::Registered),
            (r#"{"what":"confirmed","order":"ord_01h455vb4pex5vsknk084sn02q"}"#, News::Confirmed { order }),
            (
                r#"{"what":"shipped","order":"ord_01h455vb4pex5vsknk084sn02q","tracking_number":"1Z","carrier":"Post"}"#,
                News::Shipped { order, tracking_number: "1Z".to_owned(), carrier: "Post".to_owned() },
            ),
            (
                r#"{"what":"cancelled","order":"ord_01h455vb4pex5vsknk084sn02q","reason":"stock_lost"}"#,
                News::Cancelled { order, reason: Some(Reason::StockLost) },
            ),
        ] {
            assert_eq!(serde_json::from_str::<News>(kept).unwrap(), news);
            assert_eq!(serde_json::to_string(&news).unwrap(), kept);
        }
        let amount = "12.34 EUR".parse().unwrap();
        let refunded = News::Refunded { order, amount, refunded: Some(amount) };
        let kept = serde_json::to_string(&refunded).unwrap();
        assert_eq!(serde_json::from_str::<News>(&kept).unwrap(), refunded);
    }
}
