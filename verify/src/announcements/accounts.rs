use anyhow::Result;
use uuid::Uuid;
use values::UserId;

use super::Told;
use crate::{
    Check, Report, Service,
    books::{Books, Cursor},
    look::Progress,
};

/// Who has registered was told of, and who is told to be gone is gone.
pub(super) async fn look(books: &mut Books, report: &mut Report, progress: Progress<'_>) -> Result<()> {
    let mut moment = books.moment(Service::Identity).await?;
    let mut told = Told::of_users(&mut moment).await?;
    let mut users: Cursor<(Uuid, bool)> = Cursor::declare(
        &mut moment,
        "DECLARE registered NO SCROLL CURSOR FOR
             SELECT id, created_at > now() - interval '6 days' FROM users ORDER BY id",
        "FETCH FORWARD 2000 FROM registered",
    )
    .await?;
    let mut count: u64 = 0;
    loop {
        let event = told.peek(&mut moment, UserId::uuid, report).await?;
        let user = users.peek(&mut moment).await?.map(|user| user.0);
        let Some(id) = event.into_iter().chain(user).min() else { break };
        let events = if event == Some(id) { told.next(&mut moment).await? } else { Vec::new() };
        let user = if user == Some(id) { users.next(&mut moment).await? } else { None };
        count += events.len() as u64;
        if count.is_multiple_of(1_000) {
            progress(&format!("told of users: {count}"));
        }
        let is_told = |subject: &str| events.iter().any(|(_, told)| told == subject);
        let about = UserId::from_uuid(id);
        if let Some((_, is_recent)) = user {
            if is_recent && !is_told("bookstore.identity.v1.user_registered") {
                report.violation(Check::Announcements, about, "has registered, and nobody was told");
            }
            if is_told("bookstore.identity.v1.user_deleted") {
                report.violation(Check::Announcements, about, "was told to be gone, and is there");
            }
        }
    }
    report.looked(Check::Announcements, count);
    Ok(moment.commit().await?)
}
