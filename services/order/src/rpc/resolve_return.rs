use auth::Customer;
use proto::order::v1 as pb;
use sea_orm::TransactionTrait;
use serde::Serialize;
use values::{Fingerprint, RequestId, ReturnId, Violations, text};

use super::{OrderService, hands::Hands};
use crate::{
    domain::{Actor, Return, ReturnState},
    error::Error,
    events::published,
    fulfil::{self, Deed},
    store::{
        changes, orders,
        orders::Reach,
        requests::{self, Granted, Key},
        returns,
    },
};

const RPC: &str = "ResolveReturn";

/// What a shop says; without its id it is what a repeated request is compared by.
#[derive(Serialize)]
struct ResolveReturn {
    #[serde(skip)]
    request_id: RequestId,
    id: ReturnId,
    accept: bool,
    restock: bool,
    answer: String,
}

impl ResolveReturn {
    fn parse(wire: &pb::ResolveReturnRequest) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        let request_id = violations.parse("request_id", &wire.request_id);
        let id = violations.parse("return_id", &wire.return_id);
        let answer = violations.take("answer", text(&wire.answer, 0..=200));
        if wire.restock && !wire.accept {
            violations.add("restock", "is for books that are taken back");
        }
        let request = request_id.zip(id).zip(answer);
        violations.finish(request.map(|((request_id, id), answer)| Self {
            request_id,
            id,
            accept: wire.accept,
            restock: wire.restock,
            answer,
        }))
    }

    const fn key(&self, caller: &Customer) -> Key<'_> {
        Key { rpc: RPC, user: caller.user_id, request_id: &self.request_id }
    }

    const fn state(&self) -> ReturnState {
        if self.accept { ReturnState::Accepted } else { ReturnState::Rejected }
    }

    /// Whether a return has come to what is asked for.
    fn is_met_by(&self, resolved: &Return) -> bool {
        resolved.state == self.state() && resolved.restocked == self.restock
    }
}

/// Accepts or rejects a return; payment and inventory hear of an accepted one by an event.
///
/// Repeating a `request_id` returns the return as it is now.
///
/// # Errors
/// `INVALID_ARGUMENT` malformed field · `NOT_FOUND` no such return, or of another shop · `FAILED_PRECONDITION` resolved
/// already, the other way · `ALREADY_EXISTS` same `request_id`, other body
pub(super) async fn resolve_return(
    shop: &OrderService,
    caller: &Customer,
    wire: pb::ResolveReturnRequest,
) -> Result<pb::Return, Error> {
    let request = ResolveReturn::parse(&wire)?;
    if let Some(granted) = requests::find(&shop.db, request.key(caller)).await? {
        if granted.fingerprint != Fingerprint::of(&request) {
            return Err(Error::RequestIdReused);
        }
        return Ok(find(shop, caller, request.id).await?.0.into());
    }
    let (found, actor) = find(shop, caller, request.id).await?;
    if !grant(shop, caller, &request, &found, actor).await? {
        let faster = requests::find(&shop.db, request.key(caller)).await?;
        if faster.is_none_or(|granted| granted.fingerprint != Fingerprint::of(&request)) {
            return Err(Error::RequestIdReused);
        }
    }
    Ok(find(shop, caller, request.id).await?.0.into())
}

/// A return of a shop in which the caller has a hand, and as whom the caller acts there.
async fn find(shop: &OrderService, caller: &Customer, id: ReturnId) -> Result<(Return, Actor), Error> {
    let no_such_return = || Error::NoSuchReturn(id.to_string());
    let found = returns::find(&shop.db, id).await?.ok_or_else(no_such_return)?;
    let hands = Hands::of(&shop.db, caller, [found.shop]).await?;
    let actor = hands.actor(found.shop).ok_or_else(no_such_return)?;
    Ok((found, actor))
}

/// `false`: the request id was used before.
async fn grant(
    shop: &OrderService,
    caller: &Customer,
    request: &ResolveReturn,
    found: &Return,
    actor: Actor,
) -> Result<bool, Error> {
    let gone = || Error::NoSuchReturn(request.id.to_string());
    let tx = shop.db.begin().await?;
    let locked = changes::lock(&tx, [found.order]).await?.pop().ok_or_else(gone)?;
    let reservation = locked.reservation;
    let now = returns::find(&tx, request.id).await?.ok_or_else(gone)?;
    let granted =
        Granted { fingerprint: Fingerprint::of(request), order: found.order, subject: request.id.uuid() };
    if !requests::insert(&tx, request.key(caller), &granted).await? {
        tx.rollback().await?;
        return Ok(false);
    }
    if now.state != ReturnState::Requested {
        if !request.is_met_by(&now) {
            return Err(Error::ReturnResolved(now.state.name()));
        }
        fault::around("order.resolve_return_again.commit", tx.commit()).await?;
        return Ok(true);
    }
    returns::resolve(&tx, request.id, request.state(), request.restock, &request.answer).await?;
    let order = orders::find_for(&tx, Reach::All, found.order).await?.ok_or_else(gone)?;
    let all = returns::of_order(&tx, found.order).await?;
    let resolved = all.iter().find(|one| one.id == request.id).ok_or_else(gone)?;
    let deed = Deed { actor, note: request.answer.clone(), returns: &all };
    fulfil::record(&tx, locked, &order, deed, |version| {
        published::returned(&order, reservation, version, resolved)
    })
    .await?;
    fault::around("order.resolve_return.commit", tx.commit()).await?;
    shop.notifier.changed([found.order]);
    Ok(true)
}
