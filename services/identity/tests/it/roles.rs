use std::time::Duration;

use anyhow::{Context, Result};
use auth::Permission;
use proto::identity::v1::{AccessChanged, GrantRoleRequest, LogoutRequest, RevokeRoleRequest};
use testkit::{as_user, eventually, published};
use tonic::Code;
use values::UserId;

use crate::desk::{
    ADMIN, Desk, Reader, reason, refused, registration, status_of, user_of, whoami, wrong_fields,
};

const SOON: Duration = Duration::from_secs(20);

fn grant(user: impl Into<String>, role: &str) -> GrantRoleRequest {
    GrantRoleRequest { user_id: user.into(), role: role.to_owned() }
}

fn revoke(user: impl Into<String>, role: &str) -> RevokeRoleRequest {
    RevokeRoleRequest { user_id: user.into(), role: role.to_owned() }
}

#[tokio::test]
async fn whoever_registers_is_a_customer_and_may_place_orders() -> Result<()> {
    let desk = Desk::open().await?;
    let registered =
        desk.client.clone().create_user(registration("r-1", "ada@example.org")).await?.into_inner();
    assert_eq!(registered.roles, ["customer"]);
    let ada = desk.sign_in("ada@example.org").await?;
    let told = desk.told_by(&ada.token).await?;
    assert_eq!(told.permissions(), [Permission::ORDERS_PLACE]);
    assert_eq!(told.version(), 1);
    Ok(())
}

#[tokio::test]
async fn the_admin_may_do_everything() -> Result<()> {
    let (desk, admin) = Desk::open_with_admin().await?;
    assert_eq!(whoami(&desk.client, &admin.token).await?.roles, ["admin", "customer"]);
    let told = desk.told_by(&admin.token).await?;
    assert!(Permission::ALL.iter().all(|permission| told.may(*permission)), "{:?}", told.permissions());
    Ok(())
}

#[tokio::test]
async fn a_role_that_is_given_is_in_force_with_the_next_sign_in_and_ends_earlier_ones() -> Result<()> {
    let (desk, admin) = Desk::open_with_admin().await?;
    let ada = desk.reader("ada@example.org").await?;

    let granted = desk.grant(&admin, ada.id, "shop_owner").await?;
    assert_eq!((granted.user_id, granted.email.as_str()), (ada.id.to_string(), "ada@example.org"));
    assert_eq!(granted.roles, ["customer", "shop_owner"]);
    assert_eq!(refused(whoami(&desk.client, &ada.token).await, Code::Unauthenticated)?, "SESSION_REVOKED");

    let ada = desk.sign_in("ada@example.org").await?;
    assert_eq!(whoami(&desk.client, &ada.token).await?.roles, ["customer", "shop_owner"]);
    let told = desk.told_by(&ada.token).await?;
    assert_eq!(told.version(), 2);
    assert!(told.may(Permission::SHOPS_REGISTER) && told.may(Permission::ORDERS_PLACE));

    let request = as_user(&admin.token, revoke(ada.id.to_string(), "customer"))?;
    let revoked = desk.client.clone().revoke_role(request).await?.into_inner();
    assert_eq!(revoked.roles, ["shop_owner"]);
    assert_eq!(refused(whoami(&desk.client, &ada.token).await, Code::Unauthenticated)?, "SESSION_REVOKED");
    let ada = desk.sign_in("ada@example.org").await?;
    assert_eq!(desk.told_by(&ada.token).await?.permissions(), [Permission::SHOPS_REGISTER]);
    Ok(())
}

#[tokio::test]
async fn the_other_services_and_the_audit_log_learn_of_each_change() -> Result<()> {
    let (desk, admin) = Desk::open_with_admin().await?;
    let ada = desk.reader("ada@example.org").await?;
    desk.grant(&admin, ada.id, "shop_owner").await?;
    let request = as_user(&admin.token, revoke(ada.id.to_string(), "shop_owner"))?;
    desk.client.clone().revoke_role(request).await?;

    let events = eventually("access_changed of both changes", SOON, async || {
        let of_ada = |event: &testkit::Published<AccessChanged>| event.aggregate_id == ada.id.to_string();
        let events = published::<AccessChanged>(&desk.broker).await.ok()?;
        let events: Vec<_> = events.into_iter().filter(of_ada).collect();
        (events.len() == 2).then_some(events)
    })
    .await?;
    let told: Vec<_> = events.iter().map(|event| (event.event.least_version, event.sequence)).collect();
    assert_eq!(told, [(2, 2), (3, 3)]);
    assert_eq!(events[0].event.user_id, ada.id.to_string());

    for action in ["ROLE_GRANTED", "ROLE_REVOKED"] {
        let (admin, ada) = (admin.id.uuid(), ada.id.uuid());
        let entry = format!(
            "audit_log WHERE action = '{action}' AND actor = '{admin}' AND user_id = '{ada}' AND role = 'shop_owner'"
        );
        assert_eq!(desk.count(&entry).await?, 1, "{entry}");
    }
    Ok(())
}

#[tokio::test]
async fn a_change_that_changes_nothing_ends_no_session() -> Result<()> {
    let (desk, admin) = Desk::open_with_admin().await?;
    let (mut client, ada) = (desk.client.clone(), desk.reader("ada@example.org").await?);
    let (events, entries) = (desk.count("outbox").await?, desk.count("audit_log").await?);

    assert_eq!(desk.grant(&admin, ada.id, "customer").await?.roles, ["customer"]);
    let answer = client.revoke_role(as_user(&admin.token, revoke(ada.id.to_string(), "shop_owner"))?).await?;
    assert_eq!(answer.into_inner().roles, ["customer"]);

    whoami(&desk.client, &ada.token).await?;
    assert_eq!((desk.count("outbox").await?, desk.count("audit_log").await?), (events, entries));
    Ok(())
}

#[tokio::test]
async fn who_or_what_is_unknown_is_not_found_and_every_wrong_field_is_named() -> Result<()> {
    let (desk, admin) = Desk::open_with_admin().await?;
    let mut client = desk.client.clone();
    for (user, role, reason) in
        [(UserId::new(), "customer", "USER_NOT_FOUND"), (admin.id, "emperor", "ROLE_NOT_FOUND")]
    {
        let granted = client.grant_role(as_user(&admin.token, grant(user.to_string(), role))?).await;
        assert_eq!(refused(granted, Code::NotFound)?, reason);
        let revoked = client.revoke_role(as_user(&admin.token, revoke(user.to_string(), role))?).await;
        assert_eq!(refused(revoked, Code::NotFound)?, reason);
    }
    for (user, role) in [("", ""), ("usr_1", "Shop owner"), ("ada@example.org", "'; DROP TABLE roles")] {
        let granted = client.grant_role(as_user(&admin.token, grant(user, role))?).await;
        assert_eq!(wrong_fields(granted)?, ["user_id", "role"]);
        let revoked = client.revoke_role(as_user(&admin.token, revoke(user, role))?).await;
        assert_eq!(wrong_fields(revoked)?, ["user_id", "role"]);
    }
    Ok(())
}

#[tokio::test]
async fn who_is_no_admin_makes_none() -> Result<()> {
    let desk = Desk::open().await?;
    let (mut client, ada) = (desk.client.clone(), desk.reader("ada@example.org").await?);
    let granted = client.grant_role(as_user(&ada.token, grant(ada.id.to_string(), "admin"))?).await;
    assert_eq!(refused(granted, Code::PermissionDenied)?, "PERMISSION_MISSING");
    let revoked = client.revoke_role(as_user(&ada.token, revoke(ada.id.to_string(), "customer"))?).await;
    assert_eq!(refused(revoked, Code::PermissionDenied)?, "PERMISSION_MISSING");
    assert_eq!(
        refused(client.grant_role(grant(ada.id.to_string(), "admin")).await, Code::Unauthenticated)?,
        "SIGN_IN_REQUIRED"
    );
    assert_eq!(whoami(&desk.client, &ada.token).await?.roles, ["customer"]);
    Ok(())
}

#[tokio::test]
async fn a_dismissed_admin_does_not_come_back_where_the_dismissal_is_not_known_yet() -> Result<()> {
    let (desk, admin) = Desk::open_with_admin().await?;
    let dismissed = desk.reader("ada@example.org").await?;
    desk.grant(&admin, dismissed.id, "admin").await?;
    let (dismissed, other) = (desk.sign_in("ada@example.org").await?, desk.replica().await?);
    desk.broker.stop().await?;
    let request = as_user(&admin.token, revoke(dismissed.id.to_string(), "admin"))?;
    desk.client.clone().revoke_role(request).await?;

    whoami(&other.client, &dismissed.token).await?;
    let back = as_user(&dismissed.token, grant(dismissed.id.to_string(), "admin"))?;
    assert_eq!(
        refused(other.client.clone().grant_role(back).await, Code::PermissionDenied)?,
        "PERMISSION_MISSING"
    );
    let revenge = as_user(&dismissed.token, revoke(admin.id.to_string(), "admin"))?;
    let answer = other.client.clone().revoke_role(revenge).await;
    assert_eq!(refused(answer, Code::PermissionDenied)?, "PERMISSION_MISSING");
    assert_eq!(desk.count("user_roles WHERE role = 'admin'").await?, 1);
    Ok(())
}

#[tokio::test]
async fn a_stolen_token_makes_nobody_admin_once_its_owner_has_signed_out() -> Result<()> {
    let (desk, admin) = Desk::open_with_admin().await?;
    let thief = desk.reader("eve@example.org").await?;
    let other = desk.replica().await?;
    desk.broker.stop().await?;
    desk.client.clone().logout(as_user(&admin.token, LogoutRequest {})?).await?;

    // This replica has not heard of it.
    whoami(&other.client, &admin.token).await?;
    let stolen = as_user(&admin.token, grant(thief.id.to_string(), "admin"))?;
    let answer = other.client.clone().grant_role(stolen).await;
    assert_eq!(refused(answer, Code::PermissionDenied)?, "PERMISSION_MISSING");
    assert_eq!(desk.count("user_roles WHERE role = 'admin'").await?, 1);
    Ok(())
}

#[tokio::test]
async fn the_last_admin_stays_however_many_step_down_at_once() -> Result<()> {
    const ADMINS: usize = 16;
    let (desk, first) = Desk::open_with_admin().await?;
    let mut admins: Vec<Reader> = vec![first.clone()];
    for index in 1..ADMINS {
        let email = format!("admin-{index}@example.org");
        let user = desk.client.clone().create_user(registration("r-1", &email)).await?.into_inner();
        desk.grant(&first, user.user_id.parse()?, "admin").await?;
        admins.push(desk.sign_in(&email).await?);
    }
    let mut calls = Vec::new();
    for admin in admins {
        let (mut client, request) =
            (desk.client.clone(), as_user(&admin.token, revoke(admin.id.to_string(), "admin"))?);
        calls.push(tokio::spawn(async move { client.revoke_role(request).await }));
    }
    let mut refusals = Vec::new();
    for call in calls {
        if let Err(status) = call.await? {
            refusals.push(status);
        }
    }
    assert_eq!(refusals.len(), 1, "{refusals:?}");
    assert_eq!(reason(&refusals[0], Code::FailedPrecondition)?, "LAST_ADMIN");
    assert_eq!(desk.count("user_roles WHERE role = 'admin'").await?, 1);
    Ok(())
}

#[tokio::test]
async fn the_last_admin_stays_admin_and_signed_in() -> Result<()> {
    let (desk, admin) = Desk::open_with_admin().await?;
    let answer =
        desk.client.clone().revoke_role(as_user(&admin.token, revoke(admin.id.to_string(), "admin"))?).await;
    assert_eq!(reason(&status_of(answer)?, Code::FailedPrecondition)?, "LAST_ADMIN");
    assert_eq!(whoami(&desk.client, &admin.token).await?.roles, ["admin", "customer"]);
    assert_eq!(desk.count("audit_log WHERE action = 'ROLE_REVOKED'").await?, 0);
    Ok(())
}

#[tokio::test]
async fn the_database_keeps_the_last_admin_from_every_hand() -> Result<()> {
    let (desk, admin) = Desk::open_with_admin().await?;
    for statement in [
        "DELETE FROM user_roles WHERE role = 'admin'",
        "UPDATE user_roles SET role = 'shop_owner' WHERE role = 'admin'",
        "DELETE FROM users",
    ] {
        let refused = desk.database.execute(statement).await.err().context(statement)?;
        assert!(format!("{refused:#}").contains("the last admin stays"), "{refused:#}");
    }
    let ada = desk.reader("ada@example.org").await?;
    // One takes another's place.
    let (admin, ada) = (admin.id.uuid(), ada.id.uuid());
    desk.database
        .execute(&format!(
            "BEGIN; DELETE FROM user_roles WHERE user_id = '{admin}' AND role = 'admin';
             INSERT INTO user_roles (user_id, role) VALUES ('{ada}', 'admin'); COMMIT"
        ))
        .await?;
    assert_eq!(desk.count("user_roles WHERE role = 'admin'").await?, 1);
    Ok(())
}

#[tokio::test]
async fn two_hands_at_once_leave_the_database_an_admin() -> Result<()> {
    let (desk, first) = Desk::open_with_admin().await?;
    let second = desk.reader("ada@example.org").await?;
    desk.grant(&first, second.id, "admin").await?;
    let take = |admin: &Reader| {
        // Both have deleted, and been checked if nobody waits, before either commits.
        let statements = format!(
            "BEGIN; DELETE FROM user_roles WHERE user_id = '{}' AND role = 'admin';
             SET CONSTRAINTS ALL IMMEDIATE; SELECT pg_sleep(0.3); COMMIT",
            admin.id.uuid()
        );
        let database = desk.database.clone();
        tokio::spawn(async move { database.execute(&statements).await })
    };
    let (one, other) = (take(&first), take(&second));
    let outcomes = [one.await?, other.await?];
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
    assert_eq!(desk.count("user_roles WHERE role = 'admin'").await?, 1);
    Ok(())
}

#[tokio::test]
async fn an_admin_makes_another_and_is_not_needed_any_more() -> Result<()> {
    let (desk, first) = Desk::open_with_admin().await?;
    let ada = desk.reader("ada@example.org").await?;
    desk.grant(&first, ada.id, "admin").await?;
    let ada = desk.sign_in("ada@example.org").await?;
    let request = as_user(&ada.token, revoke(first.id.to_string(), "admin"))?;
    let answer = desk.client.clone().revoke_role(request).await?.into_inner();
    assert_eq!(answer.roles, ["customer"]);
    let first = desk.sign_in(ADMIN).await?;
    assert_eq!(user_of(Some(whoami(&desk.client, &first.token).await?))?.roles, ["customer"]);
    Ok(())
}
