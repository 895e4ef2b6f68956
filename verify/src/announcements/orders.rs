use anyhow::Result;
use uuid::Uuid;
use values::OrderId;

use super::Told;
use crate::{
    Check, Report, Service,
    books::{Books, Cursor},
    look::Progress,
};

/// A step: its order, version and state, and whether its event must still be there.
type Step = (Uuid, i64, String, bool);

pub(super) async fn look(books: &mut Books, report: &mut Report, progress: Progress<'_>) -> Result<()> {
    let mut moment = books.moment(Service::Order).await?;
    let mut told = Told::open(&mut moment).await?;
    let mut steps: Cursor<Step> = Cursor::declare(
        &mut moment,
        "DECLARE steps NO SCROLL CURSOR FOR
             SELECT order_id, version, state, at > now() - interval '6 days'
             FROM order_history ORDER BY order_id, version",
        "FETCH FORWARD 2000 FROM steps",
    )
    .await?;
    let mut count: u64 = 0;
    loop {
        let event = told.peek(&mut moment, OrderId::uuid, report).await?;
        let step = steps.peek(&mut moment).await?.map(|step| step.0);
        let Some(order) = event.into_iter().chain(step).min() else { break };
        let events = if event == Some(order) { told.next(&mut moment).await? } else { Vec::new() };
        let steps = steps.next_while(&mut moment, |step| step.0 == order).await?;
        count += events.len() as u64;
        if count.is_multiple_of(1_000) {
            progress(&format!("told of orders: {count}"));
        }
        compare(order, &steps, &events, report);
    }
    report.looked(Check::Announcements, count);
    Ok(moment.commit().await?)
}

fn compare(order: Uuid, steps: &[Step], events: &[(i64, String)], report: &mut Report) {
    let about = OrderId::from_uuid(order);
    for (_, version, state, is_recent) in steps {
        let is_told = events.iter().any(|(told, _)| told == version);
        // Of a return that was rejected nothing is told; all else is.
        let may_be_silent = ["DELIVERED", "RETURN_REQUESTED"].contains(&state.as_str());
        if !is_told && *is_recent && !may_be_silent {
            let wrong = format!("became {state} as version {version}, and nobody was told");
            report.violation(Check::Announcements, about, wrong);
        }
    }
    for (version, subject) in events {
        let state = steps.iter().find(|step| step.1 == *version).map(|step| step.2.as_str());
        if !state.is_some_and(|state| tells(subject, state)) {
            let state = state.unwrap_or("nothing");
            let wrong = format!("was told to be {subject} as version {version}, which made it {state}");
            report.violation(Check::Announcements, about, wrong);
        }
    }
}

/// Whether a step to this state may be told so.
fn tells(subject: &str, state: &str) -> bool {
    let states: &[&str] = match subject {
        "bookstore.order.v1.placed" => &["PENDING"],
        "bookstore.order.v1.confirmed" => &["CONFIRMED"],
        "bookstore.order.v1.cancelled" => &["CANCELLED"],
        "bookstore.order.v1.shipped" => &["PARTIALLY_SHIPPED", "SHIPPED"],
        "bookstore.order.v1.delivered" => &["PARTIALLY_SHIPPED", "SHIPPED", "DELIVERED"],
        "bookstore.order.v1.return_requested" => &["RETURN_REQUESTED"],
        "bookstore.order.v1.returned" => &["DELIVERED", "RETURN_REQUESTED", "RETURNED"],
        _ => &[],
    };
    states.contains(&state)
}
