//! The ownership matrix: every method of the contract, called by everybody. The policies come from the contract, whose
//! it is what a call asks for from the rows.

pub(crate) mod callers;
mod dead_letters;
mod expected;
mod identity;
mod inventory;
mod letters;
mod notification;
mod order;
mod payment;
pub(crate) mod raw;
pub(crate) mod row;
mod secrets;
pub(crate) mod world;

use std::{collections::BTreeSet, fmt};

use anyhow::{Context, Result};
use auth::policy::{Allow, Policies};
use futures::{StreamExt, TryStreamExt, stream};
use prost::Message;
use prost_types::{FileDescriptorSet, MethodOptions, method_options::IdempotencyLevel};
use system_tests::Door;

use callers::{Caller, Way};
use expected::Outcome;
use raw::Reply;
use row::Row;
pub(crate) use world::World;

/// Calls under way at once.
const AT_ONCE: usize = 8;

/// One caller calls one method.
#[derive(Clone, Copy)]
struct Cell<'a> {
    row: &'a Row,
    allow: &'a Allow,
    caller: Caller,
}

impl fmt::Display for Cell<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} of {} for {}", self.row.path, self.row.callee.name(), self.caller)
    }
}

#[test]
fn every_method_of_the_contract_has_a_row_and_every_row_a_method() -> Result<()> {
    let policies = Policies::of(proto::FILE_DESCRIPTOR_SET)?;
    let rows = rows();
    let mut faults = Vec::new();
    for method in &policies {
        let mut of_it = rows.iter().filter(|row| row.path == method.path()).peekable();
        if of_it.peek().is_none() {
            faults.push(format!("{} has no row: say in tests/it/ownership/ whose it is", method.path()));
        }
        for row in of_it.filter(|row| row.message != method.request) {
            faults.push(format!("{} takes a {}, not a {}", row.path, method.request, row.message));
        }
    }
    for row in rows.iter().filter(|row| policies.of_method(row.path).is_none()) {
        faults.push(format!("{} has a row but is no method of the contract", row.path));
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    Ok(())
}

#[tokio::test]
async fn everybody_is_admitted_where_the_policy_says_and_reads_only_what_is_theirs() -> Result<()> {
    let world = World::open().await?;
    let (policies, rows) = (Policies::of(proto::FILE_DESCRIPTOR_SET)?, rows());
    let cells = cells(&policies, &rows)?;
    let is_rightful = |cell: &Cell<'_>| cell.row.is_rightful(cell.allow, cell.caller);
    let (rightful, others): (Vec<_>, Vec<_>) = cells.into_iter().partition(is_rightful);
    let mut shown = Vec::new();

    let before = read_by_their_owners(&world, &rightful).await?;
    let mut faults: Vec<String> = stream::iter(&others)
        .map(|cell| tried(&world, *cell))
        .buffered(AT_ONCE)
        .map_ok(|(_, faults)| faults)
        .try_concat()
        .await?;
    let after = read_by_their_owners(&world, &rightful).await?;
    for ((cell, was), (_, is)) in before.into_iter().zip(after) {
        if sorted(&was) != sorted(&is) {
            faults.push(format!("{cell}: not the same answer after others have called"));
        }
        shown.push(was);
    }
    // One after the other: some of these end what others ask for.
    for cell in rightful {
        let (reply, wrong) = tried(&world, cell).await?;
        faults.extend(wrong);
        shown.push(reply.messages);
    }
    for secret in &world.secrets {
        if !shown.iter().any(|messages| secret.is_in(messages)) {
            faults.push(format!(
                "nobody was shown the {}: it is no secret that others could read",
                secret.what
            ));
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    Ok(())
}

/// What is wrong with how these methods answer those who have no right to what they ask for.
pub(crate) async fn faults_of(world: &World, paths: &[&str]) -> Result<Vec<String>> {
    let policies = Policies::of(proto::FILE_DESCRIPTOR_SET)?;
    let rows: Vec<Row> = rows().into_iter().filter(|row| paths.contains(&row.path)).collect();
    let others = cells(&policies, &rows)?.into_iter();
    let others: Vec<_> = others.filter(|cell| !cell.row.is_rightful(cell.allow, cell.caller)).collect();
    stream::iter(&others)
        .map(|cell| tried(world, *cell))
        .buffered(AT_ONCE)
        .map_ok(|(_, faults)| faults)
        .try_concat()
        .await
}

/// Every method, with a right request.
pub(crate) fn rows() -> Vec<Row> {
    let of_services =
        [identity::rows(), inventory::rows(), order::rows(), payment::rows(), notification::rows()];
    of_services.into_iter().flatten().chain(dead_letters::rows()).collect()
}

fn cells<'a>(policies: &'a Policies, rows: &'a [Row]) -> Result<Vec<Cell<'a>>> {
    let mut cells = Vec::new();
    for row in rows {
        let allow = policies.of_method(row.path).with_context(|| format!("no method {}", row.path))?;
        cells.extend(Caller::all().into_iter().map(|caller| Cell { row, allow, caller }));
    }
    Ok(cells)
}

/// What the owner, or an admin, reads of everything that can be read.
async fn read_by_their_owners<'a>(world: &World, rightful: &[Cell<'a>]) -> Result<Vec<(Cell<'a>, Vec<u8>)>> {
    let reading = methods_without_effect()?;
    let mut read = Vec::new();
    for cell in rightful {
        if cell.caller.way == Way::Gateway && reading.contains(cell.row.path) {
            read.push((*cell, call(world, *cell, cell.row.request(world)).await?.messages));
        }
    }
    Ok(read)
}

fn methods_without_effect() -> Result<BTreeSet<String>> {
    let contract = FileDescriptorSet::decode(proto::FILE_DESCRIPTOR_SET)?;
    let mut methods = BTreeSet::new();
    for file in &contract.file {
        for service in &file.service {
            for method in &service.method {
                let level = method.options.as_ref().map(MethodOptions::idempotency_level);
                if level == Some(IdempotencyLevel::NoSideEffects) {
                    methods.insert(format!("/{}.{}/{}", file.package(), service.name(), method.name()));
                }
            }
        }
    }
    Ok(methods)
}

/// Entries of a map come in any order.
fn sorted(message: &[u8]) -> Vec<u8> {
    let mut bytes = message.to_vec();
    bytes.sort_unstable();
    bytes
}

/// Calls, and says what is wrong with what came of it.
async fn tried(world: &World, cell: Cell<'_>) -> Result<(Reply, Vec<String>)> {
    let Cell { row, allow, caller } = cell;
    let request = row.request(world);
    let reply = call(world, cell, request.clone()).await?;
    let mut faults = Vec::new();
    let (came, expected) = (Outcome::of(&reply.status), row.expected(allow, caller));
    if came != expected {
        faults.push(format!("{cell}: {came:?}, not {expected:?}"));
    }
    if !row.is_rightful(allow, caller) {
        // What the caller knew is no news.
        let told =
            world.secrets.iter().filter(|secret| secret.is_in(&reply.readable) && !secret.is_in(&request));
        faults.extend(told.map(|secret| format!("{cell}: the answer tells the owner's {}", secret.what)));
    }
    Ok((reply, faults))
}

async fn call(world: &World, cell: Cell<'_>, request: Vec<u8>) -> Result<Reply> {
    let Cell { row, caller, .. } = cell;
    let token = world.token(caller.user, row.ends_session).await?;
    let door: Door = caller.way.door(&world.shop, row.callee)?;
    let reply = raw::call(door, row.path, row.callee, token.as_deref(), request).await;
    reply.with_context(|| cell.to_string())
}
