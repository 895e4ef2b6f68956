//! Every field of every method, with values that no client of ours would send. A caller who may make the call hears that
//! it is wrong, or gets an answer; nobody hears of a defect of ours, and what was refused has changed nothing.

mod values;

use std::{collections::BTreeSet, env};

use anyhow::{Context, Result};
use auth::policy::{Allow, Policies};
use futures::{StreamExt, TryStreamExt, stream};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};
use system_tests::{Door, Service};
use testkit::eventually;
use tonic::Code;

use crate::{
    ownership::{
        callers::{Caller, User, Way},
        raw,
        row::Row,
        rows,
        world::World,
    },
    redelivery::digest::Digest,
};

/// Set to anything, it has every value of every field tried.
const ALL: &str = "BOOKSTORE_BAD_FIELDS_ALL";
/// Otherwise one value out of so many is: fields take turns in which ones.
const ONE_OF: usize = 3;
/// Calls under way at once.
const AT_ONCE: usize = 16;
/// How many of the refused calls are made once more, to see that they change nothing.
const AGAIN: usize = 200;
/// Until nothing changes by itself any more.
const QUIET: std::time::Duration = std::time::Duration::from_mins(2);

/// A call with one bad value in it.
struct Call<'a> {
    row: &'a Row,
    door: Door,
    token: Option<String>,
    /// The field, and what is in it.
    what: String,
    message: Vec<u8>,
}

#[tokio::test]
async fn no_value_of_any_field_is_a_defect_of_ours_and_what_is_refused_changes_nothing() -> Result<()> {
    let world = World::open().await?;
    let (policies, rows) = (Policies::of(proto::FILE_DESCRIPTOR_SET)?, rows());
    let contract = DescriptorPool::decode(proto::FILE_DESCRIPTOR_SET)?;
    let mut calls = Vec::new();
    for row in rows.iter().filter(|row| !row.ends_session) {
        let allow = policies.of_method(row.path).with_context(|| format!("no method {}", row.path))?;
        let message = contract.get_message_by_name(&row.message).context("no such message")?;
        let right = DynamicMessage::decode(message, row.request(&world).as_slice())?;
        let caller = caller_of(row, allow);
        let door = caller.way.door(&world.shop, row.callee)?;
        let token = world.token(caller.user, false).await?;
        for (what, message) in values::spoilt(&right) {
            let (door, token) = (door.clone(), token.clone());
            calls.push(Call { row, door, token, what, message: message.encode_to_vec() });
        }
    }
    if env::var_os(ALL).is_none() {
        calls = calls.into_iter().step_by(ONE_OF).collect();
    }
    let codes: Vec<Code> = stream::iter(&calls).map(code).buffered(AT_ONCE).try_collect().await?;
    let defects: BTreeSet<String> = calls
        .iter()
        .zip(&codes)
        .filter(|(_, code)| {
            matches!(code, Code::Internal | Code::Unknown | Code::DataLoss | Code::Unavailable)
        })
        .map(|(call, code)| format!("{} {}: {code:?}", call.row.path, call.what))
        .collect();
    let refused: Vec<_> = calls
        .iter()
        .zip(&codes)
        .filter(|(_, code)| **code == Code::InvalidArgument)
        .map(|(call, _)| call)
        .collect();
    let answered = codes.iter().filter(|code| **code == Code::Ok).count();
    println!(
        "{} calls of {} methods with a bad value: {} refused for it, {answered} answered",
        calls.len(),
        rows.len(),
        refused.len()
    );
    assert!(defects.is_empty(), "{} defects:\n{}", defects.len(), Vec::from_iter(defects).join("\n"));

    let before = at_rest(&world).await?;
    let again = refused.iter().step_by(refused.len().div_ceil(AGAIN).max(1));
    let codes: Vec<Code> = stream::iter(again).map(|call| code(call)).buffered(AT_ONCE).try_collect().await?;
    assert!(codes.iter().all(|code| *code == Code::InvalidArgument), "not refused again: {codes:?}");
    before.is_still(&at_rest(&world).await?, "what was refused")
}

/// Who may make the call with a right message.
fn caller_of(row: &Row, allow: &Allow) -> Caller {
    let services = Service::ALL.map(|service| Caller { way: Way::Service(service), user: User::Anonymous });
    let users = [User::Owner, User::Admin].map(|user| Caller { way: Way::Gateway, user });
    let mut all = users.into_iter().chain(services);
    let fallback = Caller { way: Way::Gateway, user: User::Admin };
    all.find(|caller| row.is_rightful(allow, *caller)).unwrap_or(fallback)
}

async fn code(call: &Call<'_>) -> Result<Code> {
    let Call { row, door, token, what, message } = call;
    let reply = raw::call(door.clone(), row.path, row.callee, token.as_deref(), message.clone()).await;
    Ok(reply.with_context(|| format!("{} {what}", row.path))?.status.code())
}

/// Everything that the services know, once it stays as it is.
async fn at_rest(world: &World) -> Result<Digest> {
    let mut last = Digest::of(&world.shop).await?;
    eventually("nothing changes by itself", QUIET, async || {
        let now = Digest::of(&world.shop).await.ok()?;
        let rest = last.is_still(&now, "time").is_ok().then_some(());
        last = now;
        rest
    })
    .await?;
    Ok(last)
}
