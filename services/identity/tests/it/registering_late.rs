//! Registrations that are repeated after the user has changed, or gone.

use anyhow::Result;
use futures::future::join_all;
use proto::identity::v1::{CreateUserRequest, DeleteUserRequest, UpdateUserRequest, User};
use testkit::{as_user, eventually};
use tonic::{Code, Status};

use crate::desk::{Desk, PASSWORD, Reader, SOON, mask, reason, refused, registration};

const FIRST: &str = "ada@example.org";
const LATER: &str = "countess@example.org";

async fn register(desk: &Desk, request: CreateUserRequest) -> Result<User, Status> {
    Ok(desk.client.clone().create_user(request).await?.into_inner())
}

async fn move_to(desk: &Desk, user: &Reader, email: &str) -> Result<User> {
    let request = UpdateUserRequest {
        email: email.to_owned(),
        current_password: PASSWORD.to_owned(),
        update_mask: Some(mask(&["email"])),
        ..UpdateUserRequest::default()
    };
    Ok(desk.client.clone().update_user(as_user(&user.token, request)?).await?.into_inner())
}

async fn delete(desk: &Desk, user: &Reader) -> Result<()> {
    let request = DeleteUserRequest { user_id: String::new(), current_password: PASSWORD.to_owned() };
    desk.client.clone().delete_user(as_user(&user.token, request)?).await?;
    Ok(())
}

#[tokio::test]
async fn a_repeat_after_the_address_changed_answers_with_the_user_it_made() -> Result<()> {
    let desk = Desk::open().await?;
    let ada = desk.reader(FIRST).await?;
    let moved = move_to(&desk, &ada, LATER).await?;
    assert_eq!(register(&desk, registration("r-1", FIRST)).await?, moved);
    assert_eq!(desk.count("users").await?, 1);
    assert_eq!(desk.count("outbox WHERE subject = 'bookstore.identity.v1.user_registered'").await?, 1);

    // The address is free for others, and the repeat still knows whom it made.
    let other = register(&desk, registration("r-2", FIRST)).await?;
    assert_eq!(register(&desk, registration("r-1", FIRST)).await?, moved);
    assert_eq!(register(&desk, registration("r-2", FIRST)).await?, other);
    assert_eq!(desk.count("users").await?, 2);
    Ok(())
}

#[tokio::test]
async fn who_knows_the_request_but_not_the_password_learns_no_new_address() -> Result<()> {
    let desk = Desk::open().await?;
    let ada = desk.reader(FIRST).await?;
    move_to(&desk, &ada, LATER).await?;
    let same = || registration("r-1", FIRST);
    for other in [
        CreateUserRequest { password: "another password".to_owned(), ..same() },
        CreateUserRequest { display_name: "Mallory".to_owned(), ..same() },
    ] {
        let answer = register(&desk, other).await.expect_err("another request");
        assert_eq!(reason(&answer, Code::AlreadyExists)?, "REQUEST_ID_REUSED");
        assert!(!format!("{answer:?}").contains(LATER));
    }
    assert_eq!(desk.count("users").await?, 1);
    Ok(())
}

#[tokio::test]
async fn a_repeat_after_the_user_was_deleted_registers_nobody() -> Result<()> {
    let desk = Desk::open().await?;
    let ada = desk.reader(FIRST).await?;
    delete(&desk, &ada).await?;
    for _ in 0..2 {
        let answer = register(&desk, registration("r-1", FIRST)).await;
        assert_eq!(refused(answer, Code::FailedPrecondition)?, "USER_DELETED");
    }
    let renamed = CreateUserRequest { display_name: "Mallory".to_owned(), ..registration("r-1", FIRST) };
    assert_eq!(refused(register(&desk, renamed).await, Code::AlreadyExists)?, "REQUEST_ID_REUSED");
    assert_eq!(desk.count("users").await?, 0);

    register(&desk, registration("r-2", FIRST)).await?;
    let answer = register(&desk, registration("r-1", FIRST)).await;
    assert_eq!(refused(answer, Code::AlreadyExists)?, "EMAIL_TAKEN");
    Ok(())
}

#[tokio::test]
async fn one_that_hangs_until_its_repeat_was_answered_and_the_address_changed_makes_nobody() -> Result<()> {
    let desk = Desk::open().await?;
    // As if the user had come and moved between this request's look at the database and its own writing.
    let moves_at_once = format!(
        "CREATE FUNCTION move() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN UPDATE users SET email = '{LATER}', email_canonical = '{LATER}' WHERE id = NEW.user_id;
                      RETURN NULL; END $$;
         CREATE TRIGGER move AFTER INSERT ON registrations FOR EACH ROW EXECUTE FUNCTION move()"
    );
    desk.database.execute(&moves_at_once).await?;
    let calls = (0..8).map(|_| register(&desk, registration("r-1", FIRST)));
    let answers = join_all(calls).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    assert!(answers.iter().all(|user| user.email == LATER && *user == answers[0]), "{answers:?}");
    assert_eq!(desk.count("users").await?, 1);
    Ok(())
}

#[tokio::test]
async fn what_is_remembered_names_nobody_and_is_forgotten_after_a_month() -> Result<()> {
    let desk = Desk::open().await?;
    let (ada, _grace) = (desk.reader(FIRST).await?, desk.reader("grace@example.org").await?);
    delete(&desk, &ada).await?;
    let readable = "registrations WHERE encode(request || body, 'escape') ~* 'example|lovelace'";
    assert_eq!((desk.count("registrations").await?, desk.count(readable).await?), (2, 0));

    let age = format!(
        "UPDATE registrations SET created_at = now() - CASE user_id WHEN '{}' THEN interval '31 days'
                                                                   ELSE interval '29 days' END",
        ada.id.uuid()
    );
    desk.database.execute(&age).await?;
    let _sweeps_at_its_start = desk.replica().await?;
    eventually("the old registration is gone", SOON, async || {
        (desk.count("registrations").await.ok()? == 1).then_some(())
    })
    .await?;
    register(&desk, registration("r-1", FIRST)).await?;
    Ok(())
}
