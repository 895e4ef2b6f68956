//! Guards of money, the inbox among them: an event that is handled twice is a charge too many sooner than anything else.

use anyhow::{Context, Result};
use fault::Guard;
use proto::{
    order::v1::{CancelReason, OrderState},
    payment::v1::{PaymentState, Refund},
};
use sqlx::{Connection, PgConnection};
use system_tests::{Customer, Service};
use testkit::eventually;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use uuid::Uuid;
use values::OrderId;

use super::ground::{Ground, SOON};

pub(super) const GUARDS: &[Guard] =
    &[Guard::Inbox, Guard::Settled, Guard::Funds, Guard::RefundBound, Guard::Tombstone];

const CONSUMING: [Service; 4] = [Service::Inventory, Service::Order, Service::Payment, Service::Notification];

#[tokio::test]
async fn money_is_guarded() -> Result<()> {
    let ground = Ground::open().await?;

    // With all guards.
    let poor = overspend(&ground).await?;
    assert_eq!(poor.customer.ended(&poor.order_id).await?.cancel_reason(), CancelReason::InsufficientFunds);
    let refusal = refund_too_much(&ground).await?.1.unwrap_err();
    assert_eq!(refusal.get_details_error_info().context("no ErrorInfo")?.reason, "REFUND_TOO_LARGE");
    cancel_before_the_charge(&ground).await?;
    deliver_all_again(&ground, &[]).await?;
    ground.is_sound().await?;

    // Without the first of several.
    funds_by_the_constraint_alone(&ground).await?;
    refunds_by_the_constraint_alone(&ground).await?;
    every_event_again_without_the_inbox(&ground).await?;
    charges_by_the_keys_alone(&ground).await?;
    ground.is_sound().await?;

    // Without all.
    a_charge_after_the_cancellation_is_caught(&ground).await?;
    an_overdrawn_wallet_is_caught(&ground).await?;
    too_large_a_refund_is_caught(&ground).await?;
    a_second_charge_is_caught(&ground).await
}

struct Order {
    customer: Customer,
    order_id: String,
}

/// Somebody with 10 orders a book for 10 more than that.
async fn overspend(ground: &Ground) -> Result<Order> {
    let book = ground.seller.add_book(3_000, 10).await?;
    let customer = ground.shop.customer(1_000).await?;
    let order_id = customer.place(&book, 1).await?.order_id;
    ground.took(&order_id);
    Ok(Order { customer, order_id })
}

async fn funds_by_the_constraint_alone(ground: &Ground) -> Result<()> {
    ground.shop.without(Service::Payment, &[Guard::Funds]).await?;
    let Order { customer, order_id } = overspend(ground).await?;
    ground.shop.says(Service::Payment, "accounts_balance_check").await?;
    assert_eq!(customer.balance().await?, 1_000);
    // Its charge is tried again and again, until the order is given up.
    assert_eq!(customer.order(&order_id).await?.state(), OrderState::Pending);
    customer.cancel(&order_id).await?;
    Ok(())
}

async fn an_overdrawn_wallet_is_caught(ground: &Ground) -> Result<()> {
    ground.alter(Service::Payment, "ALTER TABLE accounts DROP CONSTRAINT accounts_balance_check").await?;
    ground.shop.without(Service::Payment, &[Guard::Funds]).await?;
    let Order { customer, order_id } = overspend(ground).await?;
    assert_eq!(customer.ended(&order_id).await?.state(), OrderState::Confirmed);
    assert_eq!(customer.balance().await?, -2_000);
    ground.is_caught("payment.funds and accounts_balance_check", &[&customer.user_id, "holds -2000"]).await
}

/// Staff gives back 15 of an order that cost 10.
async fn refund_too_much(ground: &Ground) -> Result<(Order, Result<Refund, Status>)> {
    let customer = ground.shop.customer(1_000).await?;
    let order_id = ground.confirmed(&customer).await?;
    let payment_id = customer.payment_becomes(&order_id, PaymentState::Captured).await?.payment_id;
    let refund = ground.shop.admin().await?.try_refund(&payment_id, 1_500).await?;
    Ok((Order { customer, order_id }, refund))
}

async fn refunds_by_the_constraint_alone(ground: &Ground) -> Result<()> {
    ground.shop.without(Service::Payment, &[Guard::RefundBound]).await?;
    let (order, refund) = refund_too_much(ground).await?;
    let refusal = refund.err().context("it was given")?;
    assert_eq!(refusal.code(), Code::Internal, "{refusal}");
    ground.shop.says(Service::Payment, "violates check constraint \\\"payments_").await?;
    assert_eq!(order.customer.balance().await?, 0);
    Ok(())
}

async fn too_large_a_refund_is_caught(ground: &Ground) -> Result<()> {
    let no_bounds = "
        DO $$ DECLARE bound text; BEGIN
            FOR bound IN SELECT conname FROM pg_constraint WHERE conrelid = 'payments'::regclass
                AND contype = 'c' AND pg_get_constraintdef(oid) LIKE '%refunded%amount%'
            LOOP EXECUTE format('ALTER TABLE payments DROP CONSTRAINT %I', bound); END LOOP;
        END $$";
    ground.alter(Service::Payment, no_bounds).await?;
    ground.shop.without(Service::Payment, &[Guard::RefundBound]).await?;
    let (order, refund) = refund_too_much(ground).await?;
    refund.context("RefundPayment")?;
    let guards = "payment.refund_bound and the constraints on payments.refunded";
    ground.is_caught(guards, &[&order.order_id, "1 captures of 1000 and refunds of 1500"]).await
}

/// An order is cancelled, and payment hears of that before it can charge it.
async fn cancel_before_the_charge(ground: &Ground) -> Result<Order> {
    let customer = ground.shop.customer(1_000).await?;
    let payment = ground.shop.database(Service::Payment)?.url();
    let mut holder = PgConnection::connect(payment).await?;
    let mut held = holder.begin().await?;
    // The charge waits for the wallet.
    sqlx::query("SELECT FROM accounts WHERE user_id = $1 FOR UPDATE")
        .bind(customer.user_id.parse::<values::UserId>()?.uuid())
        .execute(&mut *held)
        .await?;
    let order_id = ground.placed(&customer).await?;
    customer.cancel(&order_id).await?;
    let mut order = PgConnection::connect(ground.shop.database(Service::Order)?.url()).await?;
    let cancelled =
        "SELECT event_id FROM outbox WHERE aggregate_id = $1 AND subject = 'bookstore.order.v1.cancelled'";
    let event: Uuid = sqlx::query_scalar(cancelled).bind(&order_id).fetch_one(&mut order).await?;
    let mut looking = PgConnection::connect(payment).await?;
    eventually("payment has heard of the cancellation", SOON, async || {
        let heard = "SELECT count(*) FROM inbox WHERE consumer = 'payment_order_cancelled' AND event_id = $1";
        let count: i64 = sqlx::query_scalar(heard).bind(event).fetch_one(&mut looking).await.ok()?;
        (count == 1).then_some(())
    })
    .await?;
    held.rollback().await?;
    Ok(Order { customer, order_id })
}

async fn a_charge_after_the_cancellation_is_caught(ground: &Ground) -> Result<()> {
    ground.shop.without(Service::Payment, &[Guard::Tombstone]).await?;
    let Order { order_id, .. } = cancel_before_the_charge(ground).await?;
    ground.is_caught("payment.tombstone", &[&order_id, "is CANCELLED; 1000 were charged, 0 refunded"]).await
}

/// Every service that hears of events goes without these guards and is told all events again from the first one on.
async fn deliver_all_again(ground: &Ground, guards: &[Guard]) -> Result<()> {
    for service in CONSUMING {
        ground.shop.kill(service).await?;
    }
    ground.forget_consumers(CONSUMING.map(Service::name)).await?;
    for service in CONSUMING {
        ground.shop.without(service, guards).await?;
    }
    ground.goes_all_the_way().await
}

/// As [`deliver_all_again`], to payment alone.
async fn deliver_again_to_payment(ground: &Ground, guards: &[Guard]) -> Result<()> {
    ground.shop.kill(Service::Payment).await?;
    ground.forget_consumers([Service::Payment.name()]).await?;
    ground.shop.without(Service::Payment, guards).await?;
    ground.goes_all_the_way().await
}

/// What every handler finds in its own tables is enough to know that it has handled an event.
async fn every_event_again_without_the_inbox(ground: &Ground) -> Result<()> {
    let customer = ground.shop.customer(5_000).await?;
    ground.confirmed(&customer).await?;
    let cancelled = ground.confirmed(&customer).await?;
    customer.cancel(&cancelled).await?;
    customer.refunded_becomes(&cancelled, 1_000).await?;
    // Registered, twice confirmed, cancelled, given back.
    ground.shop.mailbox.received(&customer.email, 5, SOON).await?;
    deliver_all_again(ground, &[Guard::Inbox]).await?;
    assert_eq!(customer.balance().await?, 4_000);
    assert_eq!(ground.shop.mailbox.letters_to(&customer.email).len(), 5);
    deliver_all_again(ground, &[]).await
}

/// A payment's key lets no order be charged twice, and after it the index of the captures.
async fn charges_by_the_keys_alone(ground: &Ground) -> Result<()> {
    let customer = ground.shop.customer(5_000).await?;
    let order_id = ground.confirmed(&customer).await?;
    deliver_again_to_payment(ground, &[Guard::Inbox, Guard::Settled]).await?;
    ground.shop.says(Service::Payment, "an order was settled by another transaction").await?;
    assert_eq!(customer.balance().await?, 4_000);

    ground.alter(Service::Payment, &no_key(&order_id)?).await?;
    deliver_again_to_payment(ground, &[Guard::Inbox, Guard::Settled]).await?;
    ground.shop.says(Service::Payment, "transfers_one_capture_an_order").await?;
    assert_eq!(customer.balance().await?, 4_000);
    ground.alter(Service::Payment, "DROP TRIGGER make_room ON payments").await?;
    ground.shop.without(Service::Payment, &[]).await
}

/// The key is there, but this order's payment doesn't meet itself in it.
fn no_key(order_id: &str) -> Result<String> {
    let order = order_id.parse::<OrderId>()?.uuid();
    Ok(format!(
        "CREATE OR REPLACE FUNCTION make_room() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN DELETE FROM payments WHERE order_id = NEW.order_id AND order_id = '{order}'; RETURN NEW; END $$;
         CREATE TRIGGER make_room BEFORE INSERT ON payments FOR EACH ROW EXECUTE FUNCTION make_room()"
    ))
}

async fn a_second_charge_is_caught(ground: &Ground) -> Result<()> {
    let customer = ground.shop.customer(5_000).await?;
    let order_id = ground.confirmed(&customer).await?;
    ground.alter(Service::Payment, &no_key(&order_id)?).await?;
    ground.alter(Service::Payment, "DROP INDEX transfers_one_capture_an_order").await?;
    deliver_again_to_payment(ground, &[Guard::Inbox, Guard::Settled]).await?;
    customer.balance_becomes(3_000).await?;
    let guards = "events.inbox, payment.settled, the key of payments and transfers_one_capture_an_order";
    ground.is_caught(guards, &[&order_id, "2 captures of 2000"]).await
}
