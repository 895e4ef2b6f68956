//! What others hear of the shops that an earlier release opened.

use std::collections::BTreeSet;

use anyhow::Result;
use inventory::Inventory;
use proto::inventory::v1::{ShopMemberChanged, ShopRole};
use sea_orm::{ConnectionTrait, TransactionTrait};
use server::Application;
use testkit::{Database, empty_database, eventually, published};
use values::{ShopId, UserId};

use crate::harness::{Bookshop, SOON};

/// As many migrations as the release had that knew owners only.
const WITHOUT_STAFF: usize = 3;
/// As many as the release had that told of members once.
const WITHOUT_ANNOUNCEMENTS: usize = 5;
/// More than are announced in one transaction.
const SHOPS: usize = 300;

/// What is told of somebody: (shop, version of the shop, user, role).
type Told = (String, i64, String, ShopRole);

/// What the release wrote that knew owners only; the event that went with it is long gone.
fn registered_before(shop: ShopId, owner: UserId) -> String {
    let (shop, owner) = (shop.uuid(), owner.uuid());
    format!(
        "INSERT INTO shops (id, name, city, registered_by, request_id, request_fingerprint)
         VALUES ('{shop}', 'Shakespeare and Company', 'Paris', '{owner}', '{shop}', decode(repeat('00', 32), 'hex'));
         INSERT INTO shop_members (shop_id, user_id, role) VALUES ('{shop}', '{owner}', 'OWNER');
         INSERT INTO locations (id, shop_id, name) VALUES (gen_random_uuid(), '{shop}', 'Main');"
    )
}

/// A database as `count` shops of earlier releases left it, the first with staff. What is to be told of them, once.
async fn left_behind(count: usize) -> Result<(Database, BTreeSet<Told>)> {
    let database = empty_database().await?;
    let mut told = BTreeSet::new();
    server::migrate(&database.url().into(), &Inventory::MIGRATIONS[..WITHOUT_STAFF]).await?;
    let shops: Vec<_> = (0..count).map(|_| (ShopId::new(), UserId::new())).collect();
    let rows: Vec<_> = shops.iter().map(|(shop, owner)| registered_before(*shop, *owner)).collect();
    database.execute(&rows.concat()).await?;
    told.extend(shops.iter().map(|(shop, owner)| (shop.to_string(), 2, owner.to_string(), ShopRole::Owner)));

    server::migrate(&database.url().into(), &Inventory::MIGRATIONS[..WITHOUT_ANNOUNCEMENTS]).await?;
    if let Some((shop, _)) = shops.first() {
        let staff = UserId::new();
        let hired = format!(
            "INSERT INTO shop_members (shop_id, user_id, role) VALUES ('{}', '{}', 'STAFF')",
            shop.uuid(),
            staff.uuid()
        );
        database.execute(&hired).await?;
        told.insert((shop.to_string(), 3, staff.to_string(), ShopRole::Staff));
    }
    server::migrate(&database.url().into(), Inventory::MIGRATIONS).await?;
    Ok((database, told))
}

impl Bookshop {
    /// Waits until nothing is left to be told, and answers with all that was.
    async fn all_told(&self) -> Result<Vec<Told>> {
        eventually("all is told", SOON, async || {
            let unannounced = self.number("SELECT count(*) FROM shops WHERE is_unannounced").await.ok()?;
            let unsent =
                self.number("SELECT count(*) FROM outbox WHERE stream_sequence IS NULL").await.ok()?;
            (unannounced == 0 && unsent == 0).then_some(())
        })
        .await?;
        let mut told: Vec<Told> = (published::<ShopMemberChanged>(&self.broker).await?.into_iter())
            .map(|told| {
                let role = told.event.role();
                (told.event.shop_id, told.sequence, told.event.user_id, role)
            })
            .collect();
        told.sort();
        Ok(told)
    }
}

#[tokio::test]
async fn who_works_in_shops_of_earlier_releases_is_told_once_whatever_is_restarted() -> Result<()> {
    let (database, mut expected) = left_behind(SHOPS).await?;
    let url = database.url().to_owned();
    let mut bookshop = Bookshop::open_on(database, &url, |_| {}).await?;
    assert_eq!(bookshop.all_told().await?, Vec::from_iter(expected.clone()));

    let owner = bookshop.owner().await?;
    expected.insert((owner.shop.shop_id.clone(), 1, owner.user.id.to_string(), ShopRole::Owner));
    bookshop.restart().await?;
    assert_eq!(bookshop.all_told().await?, Vec::from_iter(expected));
    let versions = "SELECT sum(version)::bigint FROM shops";
    assert_eq!(bookshop.number(versions).await?, 2 * i64::try_from(SHOPS)? + 1 + 1);
    Ok(())
}

#[tokio::test]
async fn two_replicas_that_begin_at_once_tell_it_once() -> Result<()> {
    let (database, expected) = left_behind(SHOPS).await?;
    let db = database.connect().await?;
    let everything = db.begin().await?;
    everything.execute_unprepared("SELECT FROM shops FOR UPDATE").await?;
    let url = database.url().to_owned();
    let mut bookshop = Bookshop::open_on(database, &url, |_| {}).await?;
    bookshop.another_replica().await?;

    everything.commit().await?;
    assert_eq!(bookshop.all_told().await?, Vec::from_iter(expected));
    Ok(())
}

#[tokio::test]
async fn a_shop_that_somebody_has_locked_holds_up_no_other_and_follows_after_a_restart() -> Result<()> {
    let (database, expected) = left_behind(3).await?;
    let db = database.connect().await?;
    let locked = db.begin().await?;
    locked.execute_unprepared("SELECT FROM shops ORDER BY id LIMIT 1 FOR UPDATE").await?;
    let url = database.url().to_owned();
    let mut bookshop = Bookshop::open_on(database, &url, |_| {}).await?;
    eventually("the others are told", SOON, async || {
        let left = bookshop.number("SELECT count(*) FROM shops WHERE is_unannounced").await.ok()?;
        (left == 1).then_some(())
    })
    .await?;

    bookshop.restart().await?;
    locked.rollback().await?;
    assert_eq!(bookshop.all_told().await?, Vec::from_iter(expected));
    Ok(())
}
