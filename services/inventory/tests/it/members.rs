//! Who works in a shop, and what others hear of it.

use anyhow::Result;
use auth::Permission;
use proto::inventory::v1::{self as pb, ShopMemberChanged, ShopRole};
use testkit::{eventually, published};
use tonic::{Code, Status};

use crate::harness::{Bookshop, Owner, SOON, User, refusal, wrong_fields};

impl Owner {
    async fn lets_in(&self, user: &User, role: ShopRole) -> Result<pb::ShopMember, Status> {
        add(self, &self.user, user, role).await
    }

    async fn dismisses(&self, user: &User) -> Result<(), Status> {
        remove(self, &self.user, user).await
    }

    async fn members(&self) -> Result<Vec<(String, ShopRole)>> {
        let ask = pb::ListShopMembersRequest { shop_id: self.shop.shop_id.clone(), ..Default::default() };
        let answer = self.client.clone().list_shop_members(self.user.asks(ask)?).await?.into_inner();
        Ok(answer.members.into_iter().map(|member| (member.user_id.clone(), member.role())).collect())
    }
}

async fn add(at: &Owner, by: &User, user: &User, role: ShopRole) -> Result<pb::ShopMember, Status> {
    let request = pb::AddShopMemberRequest {
        shop_id: at.shop.shop_id.clone(),
        user_id: user.id.to_string(),
        role: role.into(),
    };
    let request = by.asks(request).map_err(|error| Status::internal(error.to_string()))?;
    Ok(at.client.clone().add_shop_member(request).await?.into_inner())
}

async fn remove(at: &Owner, by: &User, user: &User) -> Result<(), Status> {
    let request =
        pb::RemoveShopMemberRequest { shop_id: at.shop.shop_id.clone(), user_id: user.id.to_string() };
    let request = by.asks(request).map_err(|error| Status::internal(error.to_string()))?;
    at.client.clone().remove_shop_member(request).await.map(drop)
}

fn last_owner() -> (Code, String) {
    (Code::FailedPrecondition, "LAST_OWNER".to_owned())
}

fn denied() -> (Code, String) {
    (Code::PermissionDenied, "NOT_THE_OWNER".to_owned())
}

#[tokio::test]
async fn whoever_joins_changes_and_leaves_is_told_to_others_with_a_rising_version() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let owner = bookshop.owner().await?;
    let user = bookshop.shop_owner()?;

    let joined = owner.lets_in(&user, ShopRole::Staff).await?;
    assert_eq!((joined.user_id.as_str(), joined.role()), (user.id.to_string().as_str(), ShopRole::Staff));
    assert_eq!(owner.lets_in(&user, ShopRole::Staff).await?, joined, "again: nothing happens");
    let promoted = owner.lets_in(&user, ShopRole::Owner).await?;
    assert_eq!((promoted.role(), promoted.create_time), (ShopRole::Owner, joined.create_time));
    owner.dismisses(&user).await?;
    owner.dismisses(&user).await?;

    let told = eventually("four events", SOON, async || {
        let told = published::<ShopMemberChanged>(&bookshop.broker).await.ok()?;
        (told.len() >= 4).then_some(told)
    })
    .await?;
    let (me, them) = (owner.user.id.to_string(), user.id.to_string());
    let told: Vec<_> =
        told.iter().map(|told| (told.sequence, told.event.user_id.as_str(), told.event.role())).collect();
    assert_eq!(
        told,
        [
            (1, me.as_str(), ShopRole::Owner),
            (2, them.as_str(), ShopRole::Staff),
            (3, them.as_str(), ShopRole::Owner),
            (4, them.as_str(), ShopRole::Unspecified),
        ]
    );
    Ok(())
}

#[tokio::test]
async fn staff_see_to_books_and_stock_and_to_nothing_else() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let (staff, stranger) = (bookshop.shop_owner()?, bookshop.shop_owner()?);
    owner.lets_in(&staff, ShopRole::Staff).await?;

    let added = owner.client.add_book(staff.asks(owner.emma())?).await?.into_inner();
    let stock = pb::GetStockRequest { offer_id: added.offers[0].offer_id.clone() };
    owner.client.get_stock(staff.asks(stock)?).await?;
    let list = pb::ListShopMembersRequest { shop_id: owner.shop.shop_id.clone(), ..Default::default() };
    assert_eq!(
        owner.client.list_shop_members(staff.asks(list.clone())?).await?.into_inner().members.len(),
        2
    );

    let rename = pb::UpdateShopRequest {
        shop_id: owner.shop.shop_id.clone(),
        name: "Theirs".to_owned(),
        update_mask: Some(prost_types::FieldMask { paths: vec!["name".to_owned()] }),
        ..Default::default()
    };
    for user in [&staff, &stranger] {
        assert_eq!(refusal(owner.client.update_shop(user.asks(rename.clone())?).await), denied());
        assert_eq!(refusal(add(&owner, user, user, ShopRole::Owner).await), denied());
        assert_eq!(refusal(remove(&owner, user, &owner.user).await), denied());
    }
    assert_eq!(refusal(owner.client.list_shop_members(stranger.asks(list)?).await), denied());
    assert_eq!(refusal(owner.client.add_book(stranger.asks(owner.emma())?).await), denied());
    Ok(())
}

#[tokio::test]
async fn whoever_is_dismissed_may_nothing_more_and_everybody_may_go() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let (one, other) = (bookshop.shop_owner()?, bookshop.shop_owner()?);
    owner.lets_in(&one, ShopRole::Staff).await?;
    owner.lets_in(&other, ShopRole::Owner).await?;

    owner.dismisses(&one).await?;
    assert_eq!(refusal(owner.client.add_book(one.asks(owner.emma())?).await), denied());
    for _ in 0..2 {
        remove(&owner, &owner.user, &owner.user).await?;
    }
    assert_eq!(refusal(owner.members().await.map_err(|error| error.downcast().expect("a status"))), denied());
    assert_eq!(refusal(remove(&owner, &other, &other).await), last_owner());
    Ok(())
}

#[tokio::test]
async fn the_last_owner_stays_however_many_go_at_once() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let owner = bookshop.owner().await?;
    let mut owners = vec![owner.user.clone()];
    for _ in 0..5 {
        let user = bookshop.shop_owner()?;
        owner.lets_in(&user, ShopRole::Owner).await?;
        owners.push(user);
    }

    let mut calls = tokio::task::JoinSet::new();
    for (index, user) in owners.iter().cloned().enumerate() {
        let mut client = owner.client.clone();
        let (shop_id, user_id) = (owner.shop.shop_id.clone(), user.id.to_string());
        calls.spawn(async move {
            if index % 2 == 0 {
                let leave = user.asks(pb::RemoveShopMemberRequest { shop_id, user_id }).expect("a request");
                client.remove_shop_member(leave).await.map(drop)
            } else {
                let role = ShopRole::Staff.into();
                let step_down = user.asks(pb::AddShopMemberRequest { shop_id, user_id, role });
                client.add_shop_member(step_down.expect("a request")).await.map(drop)
            }
        });
    }
    let answers = calls.join_all().await;

    let refused: Vec<_> = answers.into_iter().filter(Result::is_err).map(refusal).collect();
    assert_eq!(refused, [last_owner()]);
    assert_eq!(bookshop.number("SELECT count(*) FROM shop_members WHERE role = 'OWNER'").await?, 1);
    Ok(())
}

#[tokio::test]
async fn the_database_keeps_the_last_owner_too() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    bookshop.owner().await?;
    for change in ["DELETE FROM shop_members", "UPDATE shop_members SET role = 'STAFF'"] {
        let refused = bookshop.database.execute(change).await.expect_err("a shop without an owner");
        assert!(format!("{refused:#}").contains("the last owner stays"), "{refused:#}");
    }
    Ok(())
}

#[tokio::test]
async fn members_and_ones_own_shops_come_page_by_page() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let user = bookshop.shop_owner()?;
    let mut shops = Vec::new();
    for _ in 0..3 {
        let owner = bookshop.owner().await?;
        owner.lets_in(&user, ShopRole::Staff).await?;
        shops.push(owner);
    }
    bookshop.owner().await?;
    let mut client = bookshop.client()?;

    let mut mine = Vec::new();
    let mut token = String::new();
    loop {
        let ask = pb::ListMyShopsRequest { page_size: 2, page_token: token };
        let page = client.list_my_shops(user.asks(ask)?).await?.into_inner();
        mine.extend(page.shops);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    let expected: Vec<_> = (shops.iter())
        .map(|owner| pb::MyShop { shop: Some(owner.shop.clone()), role: ShopRole::Staff.into() })
        .collect();
    assert_eq!(mine, expected, "the oldest first");

    let owner = &shops[0];
    let ask = |page_token: &str| pb::ListShopMembersRequest {
        page_size: 1,
        page_token: page_token.to_owned(),
        shop_id: owner.shop.shop_id.clone(),
    };
    let first = client.list_shop_members(owner.user.asks(ask(""))?).await?.into_inner();
    let second = client.list_shop_members(owner.user.asks(ask(&first.next_page_token))?).await?.into_inner();
    assert_eq!(second.next_page_token, "");
    let ids = [first.members, second.members].concat().into_iter().map(|member| member.user_id);
    assert_eq!(ids.collect::<Vec<_>>(), [owner.user.id.to_string(), user.id.to_string()]);
    Ok(())
}

#[tokio::test]
async fn unknown_shops_and_malformed_fields_are_refused() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let unknown = values::ShopId::new().to_string();
    let user = bookshop.shop_owner()?;
    let not_found = (Code::NotFound, "SHOP_NOT_FOUND".to_owned());
    let join = |shop_id: &str, role: i32| pb::AddShopMemberRequest {
        shop_id: shop_id.to_owned(),
        user_id: user.id.to_string(),
        role,
    };

    let answer = owner.client.add_shop_member(owner.user.asks(join(&unknown, 1))?).await;
    assert_eq!(refusal(answer), not_found);
    let leave = pb::RemoveShopMemberRequest { shop_id: unknown.clone(), user_id: owner.user.id.to_string() };
    assert_eq!(refusal(owner.client.remove_shop_member(owner.user.asks(leave)?).await), not_found);
    let list = pb::ListShopMembersRequest { shop_id: unknown, ..Default::default() };
    assert_eq!(refusal(owner.client.list_shop_members(owner.user.asks(list)?).await), not_found);

    for role in [0, 7] {
        let shop_id = owner.shop.shop_id.clone();
        let answer = owner.client.add_shop_member(owner.user.asks(join(&shop_id, role))?).await;
        assert_eq!(wrong_fields(answer), ["role"]);
    }
    let leave = pb::RemoveShopMemberRequest::default();
    let answer = owner.client.remove_shop_member(owner.user.asks(leave)?).await;
    assert_eq!(wrong_fields(answer), ["shop_id", "user_id"]);
    Ok(())
}

#[tokio::test]
async fn who_sees_to_the_whole_catalogue_gives_a_shop_another_owner() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    let (manager, heir) = (bookshop.user(&[Permission::CATALOGUE_MANAGE])?, bookshop.shop_owner()?);

    assert_eq!(refusal(remove(&owner, &manager, &owner.user).await), last_owner());
    let owns = add(&owner, &manager, &heir, ShopRole::Owner).await?;
    assert_eq!((owns.user_id.as_str(), owns.role()), (heir.id.to_string().as_str(), ShopRole::Owner));
    remove(&owner, &manager, &owner.user).await?;

    let list = pb::ListShopMembersRequest { shop_id: owner.shop.shop_id.clone(), ..Default::default() };
    let members = owner.client.list_shop_members(manager.asks(list)?).await?.into_inner().members;
    assert_eq!(members, [owns]);

    // Not the shop itself, nor what it sells.
    assert_eq!(refusal(owner.client.add_book(manager.asks(owner.emma())?).await), denied());
    let room = pb::CreateLocationRequest {
        request_id: "room".to_owned(),
        shop_id: owner.shop.shop_id.clone(),
        name: "The cellar".to_owned(),
    };
    assert_eq!(refusal(owner.client.create_location(manager.asks(room)?).await), denied());
    let unknown = pb::AddShopMemberRequest {
        shop_id: values::ShopId::new().to_string(),
        user_id: heir.id.to_string(),
        role: ShopRole::Owner.into(),
    };
    let answer = owner.client.add_shop_member(manager.asks(unknown)?).await;
    assert_eq!(refusal(answer), (Code::NotFound, "SHOP_NOT_FOUND".to_owned()));
    Ok(())
}
