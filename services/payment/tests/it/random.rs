//! Whatever is told in whatever order, how often ever, the money adds up.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail, ensure};
use auth::Permission;
use proptest::{
    prelude::*,
    test_runner::{Config, TestCaseError, TestRunner},
};
use proto::payment::v1::PaymentState;
use testkit::eventually;
use values::{EventId, OrderId, ReturnId};

use crate::{
    cards::gateway_agrees,
    shop::{Reader, SOON, Shop, euros},
};

const READERS: usize = 3;
const ORDERS: usize = 12;

#[derive(Clone, Copy, Debug)]
enum Step {
    TopUp { reader: usize, amount: i64 },
    Place { order: usize },
    Cancel { order: usize },
    Return { order: usize, amount: i64 },
    Refund { order: usize, amount: i64 },
    Withdraw { reader: usize, amount: i64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..READERS, 1..30_00_i64).prop_map(|(reader, amount)| Step::TopUp { reader, amount }),
        (0..ORDERS).prop_map(|order| Step::Place { order }),
        (0..ORDERS).prop_map(|order| Step::Place { order }),
        (0..ORDERS).prop_map(|order| Step::Cancel { order }),
        (0..ORDERS, 1..8_00_i64).prop_map(|(order, amount)| Step::Return { order, amount }),
        (0..ORDERS, 1..8_00_i64).prop_map(|(order, amount)| Step::Refund { order, amount }),
        (0..READERS, 1..20_00_i64).prop_map(|(reader, amount)| Step::Withdraw { reader, amount }),
    ];
    prop::collection::vec(step, 1..60)
}

/// Orders belong to the readers in turn, and cost more the later they come.
struct Order {
    id: OrderId,
    reader: usize,
    /// Which pays, if not the wallet.
    card: Option<String>,
    total: i64,
    placed: EventId,
    cancelled: EventId,
}

#[test]
fn money_is_neither_made_nor_lost() -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let shop = runtime.block_on(Shop::open())?;
    let mut runner = TestRunner::new(Config { cases: 15, max_shrink_iters: 20, ..Config::default() });
    runner.run(&steps(), |steps| {
        runtime.block_on(play(&shop, &steps)).map_err(|error| TestCaseError::fail(format!("{error:#}")))
    })?;
    Ok(())
}

/// What a run has done so far.
#[derive(Default)]
struct Played {
    /// What each reader has put into their wallet, less what they took out.
    put_in: [i64; READERS],
    placed: BTreeSet<usize>,
    cancelled: BTreeSet<usize>,
    told: BTreeSet<EventId>,
}

async fn play(shop: &Shop, steps: &[Step]) -> Result<()> {
    let readers: Vec<Reader> = (0..READERS).map(|_| shop.reader()).collect::<Result<_>>()?;
    let mut cards = Vec::new();
    for reader in &readers {
        cards.push(shop.add_card(reader, "tok_visa").await??.card_id);
    }
    let orders: Vec<Order> = (0..ORDERS)
        .map(|number| Order {
            id: OrderId::new(),
            reader: number % READERS,
            // Half of each reader's orders.
            card: (number / READERS % 2 == 1).then(|| cards[number % READERS].clone()),
            total: 1_00 * (1 + i64::try_from(number).unwrap_or_default()),
            placed: EventId::new(),
            cancelled: EventId::new(),
        })
        .collect();
    let staff = shop.staff(&[Permission::PAYMENTS_REFUND])?;
    let mut played = Played::default();
    for (number, step) in steps.iter().enumerate() {
        take(shop, *step, &format!("step-{number}"), (&readers, &orders, &staff), &mut played).await?;
    }
    settled(shop, &played.told).await?;
    gateway_agrees(shop).await?;

    let mut expected = played.put_in;
    for (number, order) in orders.iter().enumerate() {
        let payment = shop.payment(&readers[order.reader], order.id).await?;
        let (is_placed, is_cancelled) = (played.placed.contains(&number), played.cancelled.contains(&number));
        let Ok(payment) = payment else {
            ensure!(!is_placed || is_cancelled, "order {number} is not cancelled but has no payment");
            continue;
        };
        ensure!(is_placed, "order {number} was never placed but has a payment");
        let refunded = payment.refunded.as_ref().map_or(0, |refunded| refunded.minor_units);
        match payment.state() {
            PaymentState::Captured => ensure!(!is_cancelled, "order {number} is cancelled but paid"),
            PaymentState::Refunded => ensure!(refunded == order.total, "order {number} got {refunded} back"),
            PaymentState::Failed => continue,
            state => bail!("order {number} is still {}", state.as_str_name()),
        }
        if order.card.is_none() {
            expected[order.reader] -= order.total - refunded;
        }
    }
    for (number, reader) in readers.iter().enumerate() {
        let balance = shop.balance(reader).await?;
        ensure!(balance == expected[number], "reader {number} has {balance} instead of {}", expected[number]);
        let entries = shop.entries(reader).await?;
        let sum: i64 =
            entries.into_iter().filter_map(|entry| entry.amount).map(|amount| amount.minor_units).sum();
        ensure!(sum == balance, "reader {number} has {balance} but entries of {sum}");
    }
    Ok(())
}

async fn take(
    shop: &Shop,
    step: Step,
    request_id: &str,
    (readers, orders, staff): (&[Reader], &[Order], &Reader),
    played: &mut Played,
) -> Result<()> {
    match step {
        Step::TopUp { reader, amount } => {
            shop.top_up(&readers[reader], request_id, euros(amount)).await??;
            played.put_in[reader] += amount;
        }
        Step::Withdraw { reader, amount } => {
            if shop.withdraw(&readers[reader], request_id, amount, "").await?.is_ok() {
                played.put_in[reader] -= amount;
            }
        }
        Step::Place { order } => {
            let Order { id, reader, ref card, total, placed, .. } = orders[order];
            match card {
                Some(card) => shop.place_by_as(placed, id, card, &readers[reader], total).await?,
                None => shop.place_as(placed, id, &readers[reader], total).await?,
            }
            played.placed.insert(order);
            played.told.insert(placed);
        }
        Step::Cancel { order } => {
            let Order { id, reader, cancelled, .. } = orders[order];
            shop.cancel_as(cancelled, &readers[reader], id).await?;
            played.cancelled.insert(order);
            played.told.insert(cancelled);
        }
        // Of an order that was never placed it would wait for ever.
        Step::Return { order, amount } if played.placed.contains(&order) => {
            let Order { id, reader, .. } = orders[order];
            played.told.insert(shop.returned(ReturnId::new(), &readers[reader], id, amount).await?);
        }
        Step::Refund { order, amount } => {
            let Order { id, reader, .. } = orders[order];
            if let Ok(payment) = shop.payment(&readers[reader], id).await? {
                // Refused where too little is left.
                drop(shop.refund(staff, request_id, &payment, Some(amount)).await?);
            }
        }
        Step::Return { .. } => {}
    }
    Ok(())
}

/// Waits until each event was handled, or given up: books of an order that was never paid can't be returned.
async fn settled(shop: &Shop, events: &BTreeSet<EventId>) -> Result<()> {
    let ids: Vec<String> = events.iter().map(|event| format!("'{}'", event.uuid())).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let count = format!(
        "SELECT count(DISTINCT event_id) FROM (
             SELECT event_id FROM inbox UNION ALL SELECT event_id FROM dead_letters) AS settled
         WHERE event_id IN ({})",
        ids.join(",")
    );
    eventually("events are settled", SOON, async || {
        (usize::try_from(shop.number(&count).await.ok()?) == Ok(ids.len())).then_some(())
    })
    .await
}

/// The invariants that must hold at any moment.
pub(crate) async fn ledger_adds_up(shop: &Shop) -> Result<()> {
    for (what, query) in [
        (
            "wallets that differ from their entries",
            "SELECT count(*) FROM accounts WHERE kind = 'WALLET' AND balance <>
             (SELECT COALESCE(sum(amount), 0) FROM ledger_entries WHERE account_id = accounts.id)",
        ),
        ("money made or lost", "SELECT COALESCE(sum(amount), 0)::bigint FROM ledger_entries"),
        (
            "captures that differ from their payments",
            "SELECT count(*) FROM payments FULL JOIN (SELECT * FROM transfers WHERE kind = 'CAPTURE') AS captures
             USING (order_id)
             WHERE (state IS NOT NULL AND state IN ('CAPTURED', 'REFUNDED')) <> (captures.id IS NOT NULL)
                OR captures.amount <> payments.amount",
        ),
        (
            "refunds that differ from their payments",
            "SELECT count(*) FROM payments WHERE refunded <>
             (SELECT COALESCE(sum(amount), 0) FROM transfers
              WHERE kind = 'REFUND' AND transfers.order_id = payments.order_id)",
        ),
        (
            "refunds that differ from what was decided",
            "SELECT count(*) FROM payments WHERE (refunded, refund_due) <>
             (SELECT COALESCE(sum(amount) FILTER (WHERE refunds.state = 'DONE'), 0),
                     COALESCE(sum(amount) FILTER (WHERE refunds.state = 'PENDING'), 0)
              FROM refunds WHERE payment_id = payments.id)",
        ),
    ] {
        let found = shop.number(query).await.with_context(|| what.to_owned())?;
        ensure!(found == 0, "{what}: {found}");
    }
    Ok(())
}
