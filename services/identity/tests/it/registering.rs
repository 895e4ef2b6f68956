use anyhow::Result;
use proto::identity::v1::CreateUserRequest;
use tonic::{Code, Status};

use crate::desk::{Desk, PASSWORD, reason, registration, sign_in, status_of, user_of, wrong_fields};

#[tokio::test]
async fn a_registered_user_can_sign_in() -> Result<()> {
    let desk = Desk::open().await?;
    let mut client = desk.client.clone();
    let user = client.create_user(registration("r-1", " Ada@Example.org ")).await?.into_inner();
    assert!(user.user_id.starts_with("usr_"));
    assert_eq!((user.email.as_str(), user.display_name.as_str()), ("Ada@Example.org", "Ada Lovelace"));
    assert!(user.create_time.is_some());
    let signed_in = client.authenticate_user(sign_in("ada@example.org", PASSWORD)).await?.into_inner();
    assert_eq!(user_of(signed_in.user)?, user);
    Ok(())
}

#[tokio::test]
async fn every_wrong_field_is_named_at_once_and_nothing_is_written() -> Result<()> {
    let desk = Desk::open().await?;
    let mut client = desk.client.clone();
    let all = ["request_id", "email", "password", "display_name"];

    let missing = client.create_user(CreateUserRequest::default()).await;
    assert_eq!(wrong_fields(missing)?, all);

    let oversized = CreateUserRequest {
        request_id: "x".repeat(65),
        email: format!("{}@example.org", "a".repeat(250)),
        password: "x".repeat(129),
        display_name: "x".repeat(101),
    };
    assert_eq!(wrong_fields(client.create_user(oversized).await)?, all);

    let malformed = CreateUserRequest {
        request_id: "with blank".to_owned(),
        email: "ada at example.org".to_owned(),
        password: "too short".to_owned(),
        display_name: "Ada\u{7}".to_owned(),
    };
    assert_eq!(wrong_fields(client.create_user(malformed).await)?, all);

    let one = CreateUserRequest { email: "ada".to_owned(), ..registration("r-1", "") };
    assert_eq!(wrong_fields(client.create_user(one).await)?, ["email"]);

    assert_eq!(desk.count("users").await?, 0);
    assert_eq!(desk.count("outbox").await?, 0);
    Ok(())
}

#[tokio::test]
async fn fields_at_their_limits_are_taken() -> Result<()> {
    let desk = Desk::open().await?;
    let mut client = desk.client.clone();
    let domain = format!("{}.{}.{}.org", "b".repeat(63), "c".repeat(63), "d".repeat(57));
    let longest = CreateUserRequest {
        request_id: "x".repeat(64),
        email: format!("{}@{domain}", "a".repeat(64)),
        password: "ß".repeat(128),
        display_name: "ß".repeat(100),
    };
    assert_eq!(longest.email.len(), 254);
    client.create_user(longest).await?;
    client
        .create_user(CreateUserRequest { password: "x".repeat(12), ..registration("r-2", "b@example.org") })
        .await?;
    Ok(())
}

#[tokio::test]
async fn the_same_request_makes_one_user() -> Result<()> {
    let desk = Desk::open().await?;
    let mut client = desk.client.clone();
    let first = client.create_user(registration("r-1", "ada@example.org")).await?.into_inner();
    let again = client.create_user(registration("r-1", " ada@example.org")).await?.into_inner();
    assert_eq!(first, again);
    assert_eq!((desk.count("users").await?, desk.count("outbox").await?), (1, 1));
    Ok(())
}

#[tokio::test]
async fn the_same_request_from_many_callers_at_once_makes_one_user() -> Result<()> {
    let desk = Desk::open().await?;
    let calls = (0..32).map(|_| {
        let mut client = desk.client.clone();
        tokio::spawn(async move { client.create_user(registration("r-1", "ada@example.org")).await })
    });
    let mut users = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        users.push(call.await??.into_inner());
    }
    assert!(users.iter().all(|user| *user == users[0]));
    assert_eq!((desk.count("users").await?, desk.count("outbox").await?), (1, 1));
    Ok(())
}

#[tokio::test]
async fn one_request_id_serves_two_addresses() -> Result<()> {
    let desk = Desk::open().await?;
    let mut client = desk.client.clone();
    let ada = client.create_user(registration("r-1", "ada@example.org")).await?.into_inner();
    let grace = client.create_user(registration("r-1", "grace@example.org")).await?.into_inner();
    assert_ne!(ada.user_id, grace.user_id);
    Ok(())
}

#[tokio::test]
async fn a_taken_address_gets_one_answer_whatever_else_is_right() -> Result<()> {
    let desk = Desk::open().await?;
    let mut client = desk.client.clone();
    client.create_user(registration("r-1", "ada@example.org")).await?;

    let stranger = CreateUserRequest {
        password: "another password".to_owned(),
        display_name: "Mallory".to_owned(),
        ..registration("m-1", "ADA@example.org")
    };
    let same = || registration("r-1", "ada@example.org");
    let attempts = [
        stranger,
        CreateUserRequest { password: "another password".to_owned(), ..same() },
        CreateUserRequest { display_name: "Ada".to_owned(), ..same() },
        CreateUserRequest { request_id: "r-2".to_owned(), ..same() },
    ];
    let mut answers = Vec::new();
    for attempt in attempts {
        let status = status_of(client.create_user(attempt).await)?;
        assert_eq!(reason(&status, Code::AlreadyExists)?, "EMAIL_TAKEN");
        answers.push(told(&status));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!((desk.count("users").await?, desk.count("outbox").await?), (1, 1));
    Ok(())
}

#[tokio::test]
async fn no_password_is_stored_readably() -> Result<()> {
    let desk = Desk::open().await?;
    desk.client.clone().create_user(registration("r-1", "ada@example.org")).await?;
    assert_eq!(desk.count("users WHERE password_hash LIKE '$argon2id$v=19$m=19456,t=2,p=1$%'").await?, 1);
    assert_eq!(desk.count(&format!("users WHERE users::text LIKE '%{PASSWORD}%'")).await?, 0);
    Ok(())
}

/// All that a status tells its receiver.
fn told(status: &Status) -> (Code, String, Vec<u8>) {
    (status.code(), status.message().to_owned(), status.details().to_vec())
}
