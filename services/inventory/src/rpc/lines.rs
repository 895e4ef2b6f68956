use std::collections::HashSet;

use proto::inventory::v1 as pb;
use values::{OfferId, Quantity, Violations};

/// The most lines in one request.
const MAX_LINES: usize = 100;

/// One to a hundred lines, no offer twice.
pub(super) fn parse(violations: &mut Violations, wire: &[pb::Line]) -> Option<Vec<(OfferId, Quantity)>> {
    if !(1..=MAX_LINES).contains(&wire.len()) {
        violations.add("lines", format!("must have 1 to {MAX_LINES} elements"));
        return None;
    }
    let mut seen = HashSet::new();
    let lines: Vec<_> = (wire.iter().enumerate())
        .map(|(index, line)| {
            let field = format!("lines[{index}].offer_id");
            let offer = violations.parse::<OfferId>(&field, &line.offer_id);
            if offer.is_some_and(|offer| !seen.insert(offer)) {
                violations.add(field, "must not repeat the offer of another line");
            }
            let quantity =
                violations.take(format!("lines[{index}].quantity"), Quantity::try_from(line.quantity));
            offer.zip(quantity)
        })
        .collect();
    lines.into_iter().collect()
}
