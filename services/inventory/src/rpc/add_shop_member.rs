use auth::Customer;
use proto::inventory::v1 as pb;
use sea_orm::TransactionTrait;
use values::{ShopId, UserId, Violations};

use super::{Inventory, may_see_to_people};
use crate::{
    error::Error,
    events::shop_member_changed,
    store::{
        self,
        members::{Role, Work},
    },
};

struct AddShopMember {
    shop: ShopId,
    user: UserId,
    role: Role,
}

impl AddShopMember {
    fn parse(wire: &pb::AddShopMemberRequest) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        let shop = violations.parse("shop_id", &wire.shop_id);
        let user = violations.parse("user_id", &wire.user_id);
        let role = match pb::ShopRole::try_from(wire.role) {
            Ok(pb::ShopRole::Owner) => Some(Role::Owner),
            Ok(pb::ShopRole::Staff) => Some(Role::Staff),
            Ok(pb::ShopRole::Unspecified) | Err(_) => {
                violations.add("role", "must be OWNER or STAFF");
                None
            }
        };
        let parsed = (|| Some(Self { shop: shop?, user: user?, role: role? }))();
        violations.finish(parsed)
    }
}

/// Lets a user work in a shop that the caller owns, or changes what they are there, and tells others.
///
/// With `catalogue.manage` in any shop.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field · `NOT_FOUND` shop · `PERMISSION_DENIED` not the caller's
/// · `FAILED_PRECONDITION` nobody would own the shop
pub(super) async fn add_shop_member(
    inventory: &Inventory,
    caller: &Customer,
    wire: pb::AddShopMemberRequest,
) -> Result<pb::ShopMember, Error> {
    let AddShopMember { shop, user, role } = AddShopMember::parse(&wire)?;

    let tx = inventory.db.begin().await?;
    // Whoever was an owner before the lock need not be one any more.
    store::shops::lock(&tx, shop).await?;
    may_see_to_people(&tx, caller, shop, Work::Owner).await?;
    let known = store::members::find(&tx, shop, user).await?;
    if let Some(member) = &known
        && member.role()? == role
    {
        return Ok(member.clone().try_into()?);
    }
    store::members::put(&tx, shop, user, role).await?;
    // The table refuses it too, at the commit; this is the answer that the caller understands.
    if !store::members::has_owner(&tx, shop).await? {
        return Err(Error::LastOwner);
    }
    let version = store::shops::next_version(&tx, shop).await?;
    let event = shop_member_changed::changed(shop, version, user, Some(role))?;
    events::outbox::append(&tx, &[event]).await?;
    let member = store::members::find(&tx, shop, user).await?;
    fault::around("inventory.add_shop_member.commit", tx.commit()).await?;
    inventory.relay.wake();

    let member = member.ok_or_else(|| Error::not_found("shop member", &user))?;
    Ok(member.try_into()?)
}
