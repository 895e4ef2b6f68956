use anyhow::Result;
use uuid::Uuid;
use values::PaymentId;

use super::Told;
use crate::{
    Check, Report, Service,
    books::{Books, Cursor},
    look::Progress,
};

/// A payment: its state, how many refunds have arrived, and whether all its events must still be there.
type Payment = (Uuid, String, i64, bool);

pub(super) async fn look(books: &mut Books, report: &mut Report, progress: Progress<'_>) -> Result<()> {
    let mut moment = books.moment(Service::Payment).await?;
    let mut told = Told::open(&mut moment).await?;
    let mut payments: Cursor<Payment> = Cursor::declare(
        &mut moment,
        "DECLARE paid NO SCROLL CURSOR FOR
             SELECT id, state, (SELECT count(*) FROM refunds WHERE payment_id = payments.id AND refunds.state = 'DONE'),
                    created_at > now() - interval '6 days'
             FROM payments ORDER BY id",
        "FETCH FORWARD 2000 FROM paid",
    )
    .await?;
    let mut count: u64 = 0;
    loop {
        let event = told.peek(&mut moment, PaymentId::uuid, report).await?;
        let payment = payments.peek(&mut moment).await?.map(|payment| payment.0);
        let Some(id) = event.into_iter().chain(payment).min() else { break };
        let events = if event == Some(id) { told.next(&mut moment).await? } else { Vec::new() };
        let payment = if payment == Some(id) { payments.next(&mut moment).await? } else { None };
        count += events.len() as u64;
        if count.is_multiple_of(1_000) {
            progress(&format!("told of payments: {count}"));
        }
        compare(id, payment, &events, report);
    }
    report.looked(Check::Announcements, count);
    Ok(moment.commit().await?)
}

fn compare(id: Uuid, payment: Option<Payment>, events: &[(i64, String)], report: &mut Report) {
    let about = PaymentId::from_uuid(id);
    let Some((_, state, refunds, is_recent)) = payment else {
        report.violation(Check::Announcements, about, "was told of and is not there");
        return;
    };
    let count = |subject: &str| events.iter().filter(|(_, told)| told == subject).count();
    let told = [
        count("bookstore.payment.v1.captured"),
        count("bookstore.payment.v1.failed"),
        count("bookstore.payment.v1.refunded"),
    ];
    let is_captured = ["CAPTURED", "REFUNDED"].contains(&state.as_str());
    let has_failed = ["FAILED", "CANCELLED"].contains(&state.as_str());
    let happened = [usize::from(is_captured), usize::from(has_failed), usize::try_from(refunds).unwrap_or(0)];
    // Of an older one some events may be gone.
    let is_right = if is_recent {
        told == happened
    } else {
        told.iter().zip(&happened).all(|(told, happened)| told <= happened)
    };
    if !is_right {
        let [captures, failures, given] = told;
        let wrong = format!(
            "is {state} with {refunds} refunds; told were {captures} captures, {failures} failures, {given} refunds"
        );
        report.violation(Check::Announcements, about, wrong);
    }
}
