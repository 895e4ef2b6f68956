//! Whatever is told in whatever order, how often ever, the money adds up.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use proptest::{
    prelude::*,
    test_runner::{Config, TestCaseError, TestRunner},
};
use proto::payment::v1::PaymentState;
use values::{EventId, OrderId};

use crate::shop::{Reader, Shop, euros};

const READERS: usize = 3;
const ORDERS: usize = 12;

#[derive(Clone, Copy, Debug)]
enum Step {
    TopUp { reader: usize, amount: i64 },
    Place { order: usize },
    Cancel { order: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..READERS, 1..30_00_i64).prop_map(|(reader, amount)| Step::TopUp { reader, amount }),
        (0..ORDERS).prop_map(|order| Step::Place { order }),
        (0..ORDERS).prop_map(|order| Step::Place { order }),
        (0..ORDERS).prop_map(|order| Step::Cancel { order }),
    ];
    prop::collection::vec(step, 1..60)
}

/// Orders belong to the readers in turn, and cost more the later they come.
struct Order {
    id: OrderId,
    reader: usize,
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

async fn play(shop: &Shop, steps: &[Step]) -> Result<()> {
    let readers: Vec<Reader> = (0..READERS).map(|_| shop.reader()).collect::<Result<_>>()?;
    let orders: Vec<Order> = (0..ORDERS)
        .map(|number| Order {
            id: OrderId::new(),
            reader: number % READERS,
            total: 1_00 * (1 + i64::try_from(number).unwrap_or_default()),
            placed: EventId::new(),
            cancelled: EventId::new(),
        })
        .collect();
    let mut topped_up = [0; READERS];
    let (mut placed, mut cancelled) = (BTreeSet::new(), BTreeSet::new());
    let mut told = BTreeSet::new();
    for (number, step) in steps.iter().enumerate() {
        match *step {
            Step::TopUp { reader, amount } => {
                shop.top_up(&readers[reader], &format!("step-{number}"), euros(amount)).await??;
                topped_up[reader] += amount;
            }
            Step::Place { order } => {
                let Order { id, reader, total, placed: event, .. } = orders[order];
                shop.place_as(event, id, &readers[reader], total).await?;
                placed.insert(order);
                told.insert(event);
            }
            Step::Cancel { order } => {
                let Order { id, reader, cancelled: event, .. } = orders[order];
                shop.cancel_as(event, &readers[reader], id).await?;
                cancelled.insert(order);
                told.insert(event);
            }
        }
    }
    shop.handled(&told.into_iter().collect::<Vec<_>>()).await?;

    let mut expected = topped_up;
    for (number, order) in orders.iter().enumerate() {
        let payment = shop.payment(&readers[order.reader], order.id).await?;
        if !placed.contains(&number) {
            ensure!(payment.is_err(), "order {number} was never placed but has a payment");
            continue;
        }
        match payment.map(|payment| payment.state()) {
            Ok(PaymentState::Captured) => {
                ensure!(!cancelled.contains(&number), "order {number} is cancelled but paid");
                expected[order.reader] -= order.total;
            }
            Ok(PaymentState::Refunded) | Err(_) => {
                ensure!(cancelled.contains(&number), "order {number} is not cancelled but has no payment");
            }
            Ok(_) => {}
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
    ledger_adds_up(shop).await
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
