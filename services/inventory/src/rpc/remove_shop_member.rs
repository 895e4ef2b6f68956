use auth::Customer;
use proto::inventory::v1 as pb;
use sea_orm::TransactionTrait;
use values::{ShopId, UserId, Violations};

use super::{Inventory, may_see_to_people};
use crate::{
    error::Error,
    events::shop_member_changed,
    store::{self, members::Work},
};

fn parse(wire: &pb::RemoveShopMemberRequest) -> Result<(ShopId, UserId), Violations> {
    let mut violations = Violations::new();
    let shop = violations.parse("shop_id", &wire.shop_id);
    let user = violations.parse("user_id", &wire.user_id);
    violations.finish(shop.zip(user))
}

/// Ends a user's work in a shop that the caller owns, or the caller's own in any, and tells others.
///
/// With `catalogue.manage` in any shop.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field · `NOT_FOUND` shop · `PERMISSION_DENIED` not the caller's
/// · `FAILED_PRECONDITION` nobody would own the shop
pub(super) async fn remove_shop_member(
    inventory: &Inventory,
    caller: &Customer,
    wire: pb::RemoveShopMemberRequest,
) -> Result<pb::RemoveShopMemberResponse, Error> {
    let (shop, user) = parse(&wire)?;

    let tx = inventory.db.begin().await?;
    if !store::shops::lock(&tx, shop).await? {
        return Err(Error::not_found("shop", &shop));
    }
    // Everybody may go, and whoever has gone can't be an owner who asks again.
    if user != caller.user_id {
        may_see_to_people(&tx, caller, shop, Work::Owner).await?;
    }
    if store::members::find(&tx, shop, user).await?.is_none() {
        return Ok(pb::RemoveShopMemberResponse {});
    }
    store::members::remove(&tx, shop, user).await?;
    // The table refuses it too, at the commit; this is the answer that the caller understands.
    if !store::members::has_owner(&tx, shop).await? {
        return Err(Error::LastOwner);
    }
    let version = store::shops::next_version(&tx, shop).await?;
    let event = shop_member_changed::changed(shop, version, user, None)?;
    events::outbox::append(&tx, &[event]).await?;
    fault::around("inventory.remove_shop_member.commit", tx.commit()).await?;
    inventory.relay.wake();
    Ok(pb::RemoveShopMemberResponse {})
}
