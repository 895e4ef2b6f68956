use crate::{
    Check,
    known::orders::{Order, Step},
};

/// A legal path from PENDING to where the order stands. Versions rise; those between two steps are notes of what changed
/// nobody's state.
pub(super) fn wrongs(order: &Order) -> Vec<(Check, String)> {
    let mut found = Vec::new();
    let (first, last) = (order.history.first(), order.history.last());
    let is_legal = first.is_some_and(|step| step.state == "PENDING")
        && order.history.windows(2).all(|pair| matches!(pair, [from, to] if may_follow(from, to)));
    if !is_legal || last.map(|step| &step.state) != Some(&order.state) {
        let steps: Vec<&str> = order.history.iter().map(|step| step.state.as_str()).collect();
        found.push(format!("is {} with the history {steps:?}", order.state));
    }
    if first.is_some_and(|step| step.version != 1) {
        found.push("has no first version".to_owned());
    }
    if last.is_some_and(|step| step.version > order.version) {
        found.push(format!("is at version {} and its history beyond it", order.version));
    }
    if order.history.windows(2).any(|pair| matches!(pair, [from, to] if from.at > to.at)) {
        found.push("has a step from before the one that it follows".to_owned());
    }
    found.into_iter().map(|wrong| (Check::Histories, wrong)).collect()
}

fn may_follow(from: &Step, to: &Step) -> bool {
    let next: &[&str] = match from.state.as_str() {
        "PENDING" => &["CONFIRMED", "CANCELLED"],
        "CONFIRMED" => &["PARTIALLY_SHIPPED", "SHIPPED", "CANCELLED"],
        // What a shop or the customer does with a part is a row even where the whole stays where it is.
        "PARTIALLY_SHIPPED" => &["PARTIALLY_SHIPPED", "SHIPPED"],
        "SHIPPED" => &["SHIPPED", "DELIVERED"],
        "DELIVERED" => &["RETURN_REQUESTED"],
        "RETURN_REQUESTED" => &["RETURN_REQUESTED", "DELIVERED", "RETURNED"],
        _ => &[],
    };
    next.contains(&to.state.as_str())
}
