use std::collections::{HashMap, hash_map::Entry};

use events::{Delivery, HandleError, Handler, Verdict};
use proto::inventory::v1::{ShopMemberChanged, ShopRole};
use sea_orm::DatabaseTransaction;
use values::{ShopId, UserId, Violations};

use crate::store::members::{self, Membership};

/// Who works in a shop has changed: of what is told of one person there, the latest version of the shop holds.
pub(crate) struct OnShopMemberChanged;

impl Handler for OnShopMemberChanged {
    type Event = ShopMemberChanged;
    type Prepared = ();
    const DURABLE: &'static str = "order_shop_member_changed";

    async fn apply(
        &self,
        tx: &DatabaseTransaction,
        batch: &[(Delivery<ShopMemberChanged>, ())],
    ) -> Result<Vec<Verdict>, HandleError> {
        let mut latest: HashMap<(ShopId, UserId), Membership> = HashMap::new();
        let verdicts = batch
            .iter()
            .map(|(delivery, ())| match membership(delivery) {
                Ok(told) => {
                    match latest.entry((told.shop, told.user)) {
                        Entry::Occupied(mut known) if known.get().sequence < told.sequence => {
                            known.insert(told);
                        }
                        Entry::Occupied(_) => {}
                        Entry::Vacant(place) => {
                            place.insert(told);
                        }
                    }
                    Verdict::Done
                }
                Err(wrong) => Verdict::Reject(wrong.to_string()),
            })
            .collect();
        let latest: Vec<Membership> = latest.into_values().collect();
        members::note(tx, &latest).await?;
        Ok(verdicts)
    }
}

fn membership(delivery: &Delivery<ShopMemberChanged>) -> Result<Membership, Violations> {
    let mut violations = Violations::new();
    let shop = violations.parse("shop_id", &delivery.event.shop_id);
    let user = violations.parse("user_id", &delivery.event.user_id);
    let role = match ShopRole::try_from(delivery.event.role) {
        Ok(ShopRole::Unspecified) => Some(""),
        Ok(ShopRole::Owner) => Some("OWNER"),
        Ok(ShopRole::Staff) => Some("STAFF"),
        // Not to be taken for nothing: a later release knows what it is.
        Err(_) => {
            violations.add("role", "is not known");
            None
        }
    };
    let told = shop.zip(user).zip(role);
    let sequence = delivery.sequence;
    violations.finish(told.map(|((shop, user), role)| Membership { shop, user, role, sequence }))
}
