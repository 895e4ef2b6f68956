use serde::Serialize;

/// The counts of a shelf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StockLevel {
    /// Copies on the shelf.
    pub(crate) on_hand: i64,
    /// Of these, copies set aside for orders.
    pub(crate) reserved: i64,
}

/// What a person found out about a shelf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Count {
    /// Copies that came in (above zero) or went missing (below).
    Delta(i32),
    /// Copies that were counted, reserved ones among them.
    OnHand(u32),
}

/// How a shelf is to be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Adjustment {
    /// By how many copies.
    pub(crate) change: i64,
    /// Whether it was counted or came in.
    pub(crate) kind: AdjustmentKind,
    /// The counts after it.
    pub(crate) level: StockLevel,
}

/// How the change was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AdjustmentKind {
    /// Copies came or went.
    Adjusted,
    /// Copies were counted.
    Counted,
}

/// Less would be left than is set aside for orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} copies would be left, and {} are reserved", .left, .reserved)]
pub(crate) struct BelowReserved {
    /// Copies that would be left.
    pub(crate) left: i64,
    /// Copies that are set aside.
    pub(crate) reserved: i64,
}

impl StockLevel {
    /// What `count` makes of this shelf.
    ///
    /// # Errors
    /// Less would be left than is reserved.
    pub(crate) fn adjusted(self, count: Count) -> Result<Adjustment, BelowReserved> {
        let (left, kind) = match count {
            Count::Delta(delta) => (self.on_hand + i64::from(delta), AdjustmentKind::Adjusted),
            Count::OnHand(counted) => (i64::from(counted), AdjustmentKind::Counted),
        };
        if left < self.reserved {
            return Err(BelowReserved { left, reserved: self.reserved });
        }
        let level = Self { on_hand: left, ..self };
        Ok(Adjustment { change: left - self.on_hand, kind, level })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEVEL: StockLevel = StockLevel { on_hand: 5, reserved: 3 };

    #[test]
    fn a_delta_is_added_and_a_count_is_taken_as_it_is() {
        assert_eq!(LEVEL.adjusted(Count::Delta(-2)).map(|to| (to.change, to.level.on_hand)), Ok((-2, 3)));
        assert_eq!(LEVEL.adjusted(Count::OnHand(9)).map(|to| (to.change, to.level.on_hand)), Ok((4, 9)));
        assert_eq!(LEVEL.adjusted(Count::OnHand(5)).map(|to| (to.change, to.level.on_hand)), Ok((0, 5)));
    }

    #[test]
    fn what_is_reserved_cannot_be_counted_away() {
        assert_eq!(LEVEL.adjusted(Count::Delta(-3)), Err(BelowReserved { left: 2, reserved: 3 }));
        assert_eq!(LEVEL.adjusted(Count::OnHand(2)), Err(BelowReserved { left: 2, reserved: 3 }));
    }
}
