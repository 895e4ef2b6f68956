//! Users who are deleted work nowhere any more.

use anyhow::Result;
use proto::{
    identity::v1::UserDeleted,
    inventory::v1::{self as pb, ShopMemberChanged, ShopRole},
};
use testkit::{eventually, publish, publish_as, published};
use values::EventId;

use crate::harness::{Bookshop, Owner, SOON, User};

fn deleted(user: &User) -> UserDeleted {
    UserDeleted { user_id: user.id.to_string() }
}

async fn lets_in(owner: &Owner, user: &User, role: ShopRole) -> Result<()> {
    let request = pb::AddShopMemberRequest {
        shop_id: owner.shop.shop_id.clone(),
        user_id: user.id.to_string(),
        role: role.into(),
    };
    owner.client.clone().add_shop_member(owner.user.asks(request)?).await?;
    Ok(())
}

/// Waits until this many events have been handled.
async fn handled(bookshop: &Bookshop, events: i64) -> Result<()> {
    eventually("the inbox", SOON, async || {
        let handled = "SELECT (SELECT count(*) FROM inbox) + (SELECT count(*) FROM dead_letters)";
        (bookshop.number(handled).await.ok()? >= events).then_some(())
    })
    .await
}

async fn members_of(bookshop: &Bookshop, user: &User) -> Result<i64> {
    bookshop.number(&format!("SELECT count(*) FROM shop_members WHERE user_id = '{}'", user.id.uuid())).await
}

/// What was told of a shop: version, user and role.
async fn told(bookshop: &Bookshop, of: &Owner, least: usize) -> Result<Vec<(i64, String, ShopRole)>> {
    eventually("the events", SOON, async || {
        let told: Vec<_> = (published::<ShopMemberChanged>(&bookshop.broker).await.ok()?.into_iter())
            .filter(|told| told.event.shop_id == of.shop.shop_id)
            .map(|told| (told.sequence, told.event.user_id.clone(), told.event.role()))
            .collect();
        (told.len() >= least).then_some(told)
    })
    .await
}

#[tokio::test]
async fn a_deleted_user_leaves_every_shop_once_and_others_are_told() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let (here, there) = (bookshop.owner().await?, bookshop.owner().await?);
    let (user, bystander) = (bookshop.shop_owner()?, bookshop.shop_owner()?);
    lets_in(&here, &user, ShopRole::Owner).await?;
    lets_in(&here, &bystander, ShopRole::Staff).await?;
    lets_in(&there, &user, ShopRole::Staff).await?;

    let id = EventId::new();
    let event = deleted(&user);
    publish_as(&bookshop.broker, id, &event.user_id, 2, &event).await?;
    publish_as(&bookshop.broker, id, &event.user_id, 2, &event).await?;
    publish(&bookshop.broker, &event.user_id, 2, &event).await?;
    handled(&bookshop, 2).await?;

    assert_eq!(members_of(&bookshop, &user).await?, 0);
    assert_eq!(members_of(&bookshop, &bystander).await?, 1);
    let gone = |version| (version, user.id.to_string(), ShopRole::Unspecified);
    assert_eq!(told(&bookshop, &here, 4).await?[3..], [gone(4)]);
    assert_eq!(told(&bookshop, &there, 3).await?[2..], [gone(3)]);
    let versions = bookshop.number("SELECT sum(version)::bigint FROM shops").await?;
    assert_eq!(versions, 4 + 3, "the next change has a version of its own");
    Ok(())
}

#[tokio::test]
async fn the_last_owner_stays_until_there_is_another() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let alone = bookshop.owner().await?;
    let staff = bookshop.shop_owner()?;
    lets_in(&alone, &staff, ShopRole::Staff).await?;

    let nonsense = UserDeleted { user_id: "nonsense".to_owned() };
    publish(&bookshop.broker, "nonsense", 1, &nonsense).await?;
    for user in [&alone.user, &staff] {
        publish(&bookshop.broker, &user.id.to_string(), 2, &deleted(user)).await?;
    }
    handled(&bookshop, 3).await?;

    assert_eq!(bookshop.number("SELECT count(*) FROM dead_letters").await?, 1, "only the malformed one");
    assert_eq!(members_of(&bookshop, &staff).await?, 0);
    assert_eq!(members_of(&bookshop, &alone.user).await?, 1);
    let told = told(&bookshop, &alone, 3).await?;
    assert_eq!(told[2..], [(3, staff.id.to_string(), ShopRole::Unspecified)]);
    Ok(())
}

#[tokio::test]
async fn of_owners_who_are_all_deleted_at_once_one_stays_in_each_shop() -> Result<()> {
    let mut bookshop = Bookshop::open().await?;
    let owner = bookshop.owner().await?;
    let mut users = vec![owner.user.clone()];
    for _ in 0..4 {
        let user = bookshop.shop_owner()?;
        lets_in(&owner, &user, ShopRole::Owner).await?;
        users.push(user);
    }
    bookshop.stop().await?;
    for user in &users {
        publish(&bookshop.broker, &user.id.to_string(), 2, &deleted(user)).await?;
    }
    // All of them wait for it: one batch.
    bookshop.another_replica().await?;
    handled(&bookshop, 5).await?;

    assert_eq!(bookshop.number("SELECT count(*) FROM dead_letters").await?, 0);
    assert_eq!(bookshop.number("SELECT count(*) FROM shop_members WHERE role = 'OWNER'").await?, 1);
    let told = told(&bookshop, &owner, 9).await?;
    let versions: Vec<_> = told.iter().map(|(version, ..)| *version).collect();
    assert_eq!(versions, (1..=9).collect::<Vec<_>>(), "each has a version of its own");
    Ok(())
}
