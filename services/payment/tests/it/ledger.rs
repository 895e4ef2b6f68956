//! What the database itself refuses, whatever the code above it does.

use anyhow::Result;
use proto::payment::v1::PaymentState;
use values::OrderId;

use crate::shop::{Shop, euros};

/// A ledger with one top-up, one capture and one refund of another order.
async fn ledger() -> Result<(Shop, OrderId, OrderId)> {
    let shop = Shop::open().await?;
    let reader = shop.reader_with(50_00).await?;
    let (paid, refunded) = (shop.place(&reader, 10_00).await?, shop.place(&reader, 20_00).await?);
    shop.payment_in(PaymentState::Captured, &reader, paid).await?;
    shop.payment_in(PaymentState::Captured, &reader, refunded).await?;
    shop.cancel(&reader, refunded).await?;
    shop.payment_in(PaymentState::Refunded, &reader, refunded).await?;
    Ok((shop, paid, refunded))
}

fn transfer(kind: &str, order: &str, changed: &str) -> String {
    format!(
        "INSERT INTO transfers
         SELECT (jsonb_populate_record(transfers, jsonb_build_object('id', gen_random_uuid()) || '{changed}')).*
         FROM transfers WHERE kind = '{kind}' AND ('{order}' = '' OR order_id::text = '{order}') LIMIT 1"
    )
}

#[tokio::test]
async fn the_database_refuses_a_transfer_that_makes_no_sense() -> Result<()> {
    let (shop, paid, refunded) = ledger().await?;
    let (paid, refunded) = (paid.uuid().to_string(), refunded.uuid().to_string());
    let fresh = OrderId::new().uuid();
    let another_order = format!(r#"{{"order_id": "{}"}}"#, OrderId::new().uuid());
    let with = |member: &str| format!(r#"{{"order_id": "{fresh}", {member}}}"#);
    // The statement itself is sound: it is refused for what is changed.
    shop.database.execute(&transfer("CAPTURE", &paid, &another_order)).await?;

    for (statement, constraint) in [
        (transfer("CAPTURE", &paid, "{}"), "transfers_one_capture_an_order"),
        (transfer("REFUND", &refunded, "{}"), "transfers_one_refund_a_cause"),
        (transfer("TOP_UP", "", "{}"), "transfers_one_top_up_a_request"),
        (transfer("CAPTURE", &paid, &with(r#""order_id": null"#)), "transfers_check"),
        (transfer("REFUND", &refunded, &with(r#""cause": null"#)), "transfers_check"),
        (transfer("TOP_UP", "", r#"{"request_id": null}"#), "transfers_check"),
        (transfer("CAPTURE", &paid, r#"{"amount": 0}"#), "transfers_amount_check"),
        (transfer("CAPTURE", &paid, r#"{"amount": -1}"#), "transfers_amount_check"),
        (transfer("CAPTURE", &paid, &with(r#""currency": "USD""#)), "transfers_debit_account_currency_fkey"),
        (
            transfer("CAPTURE", &paid, &with(&format!(r#""debit_account": "{fresh}""#))),
            "transfers_debit_account_currency_fkey",
        ),
        (
            transfer("CAPTURE", &paid, &with(&format!(r#""credit_account": "{fresh}""#))),
            "transfers_credit_account_currency_fkey",
        ),
        (transfer("CAPTURE", &paid, r#"{"kind": "GIFT"}"#), "transfers_kind_check"),
    ] {
        let refusal = shop.refusal(&statement).await?;
        assert!(refusal.contains(constraint), "{constraint} is not why: {refusal}");
    }
    let refusal =
        shop.refusal("UPDATE transfers SET credit_account = debit_account WHERE kind = 'CAPTURE'").await?;
    assert!(refusal.contains("transfers_check"), "{refusal}");
    Ok(())
}

#[tokio::test]
async fn the_database_refuses_balances_and_payments_that_make_no_sense() -> Result<()> {
    let (shop, ..) = ledger().await?;
    for (statement, constraint) in [
        ("UPDATE accounts SET balance = -1 WHERE kind = 'WALLET'", "accounts_balance_check"),
        ("UPDATE accounts SET balance = NULL WHERE kind = 'WALLET'", "accounts_check"),
        ("UPDATE accounts SET balance = 0 WHERE kind = 'SALES'", "accounts_check"),
        ("UPDATE accounts SET user_id = NULL WHERE kind = 'WALLET'", "accounts_check"),
        (
            "INSERT INTO accounts (id, kind, currency) VALUES (gen_random_uuid(), 'SALES', 'EUR')",
            "accounts_one_of_the_house",
        ),
        (
            "INSERT INTO accounts (id, kind, user_id, currency, balance)
             SELECT gen_random_uuid(), kind, user_id, currency, balance FROM accounts WHERE kind = 'WALLET'",
            "accounts_one_wallet",
        ),
        ("UPDATE payments SET refunded = amount + 1 WHERE state = 'CAPTURED'", "payments_check"),
        ("UPDATE payments SET refunded = -1 WHERE state = 'CAPTURED'", "payments_check"),
        ("UPDATE payments SET refunded = 0 WHERE state = 'REFUNDED'", "payments_check"),
        ("UPDATE payments SET state = 'FAILED' WHERE state = 'CAPTURED'", "payments_check"),
        ("UPDATE payments SET amount = NULL WHERE state = 'CAPTURED'", "payments_check"),
        ("UPDATE payments SET amount = 0, refunded = 0 WHERE state = 'CAPTURED'", "payments_amount_check"),
        (
            "INSERT INTO payments SELECT gen_random_uuid(), order_id, user_id, 'CANCELLED' FROM payments LIMIT 1",
            "payments_order_id_key",
        ),
    ] {
        let refusal = shop.refusal(statement).await?;
        assert!(refusal.contains(constraint), "{constraint} is not why: {refusal}");
    }
    Ok(())
}

#[tokio::test]
async fn the_database_refuses_charges_and_refunds_that_make_no_sense() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader_with(50_00).await?;
    let card = shop.add_card(&reader, "tok_visa").await??.card_id;
    let order = shop.place_by(&card, &reader, 10_00).await?;
    shop.payment_in(PaymentState::Captured, &reader, order).await?;
    shop.withdraw(&reader, "a", 5_00, "").await??;
    shop.cancel(&reader, order).await?;
    shop.payment_in(PaymentState::Refunded, &reader, order).await?;
    for (statement, constraint) in [
        ("UPDATE payments SET refund_due = 1", "payments_refund_due"),
        (
            "UPDATE payments SET state = 'CAPTURED', refunded = amount - 1, refund_due = 2",
            "payments_refunds_within",
        ),
        ("UPDATE payments SET state = 'PENDING', refunded = 0, card_id = NULL", "payments_under_way_by_card"),
        (
            "INSERT INTO refunds (id, payment_id, cause, state, currency, amount)
             SELECT gen_random_uuid(), payment_id, cause, state, currency, amount FROM refunds",
            "refunds_one_a_cause",
        ),
        ("UPDATE refunds SET cause = 'STAFF'", "refunds_check"),
        ("UPDATE refunds SET amount = 0", "refunds_amount_check"),
        ("UPDATE card_charges SET authorisation = NULL", "card_charges_check"),
        ("UPDATE card_charges SET capture = NULL", "card_charges_check"),
        ("UPDATE card_charges SET step = 'REFUSED', capture = NULL", "card_charges_check"),
        ("UPDATE card_charges SET told = true", "card_charges_check"),
        (
            "INSERT INTO card_charges
             SELECT (jsonb_populate_record(charge, jsonb_build_object('id', gen_random_uuid()))).*
             FROM card_charges AS charge WHERE purpose = 'TOP_UP'",
            "card_charges_one_a_request",
        ),
        (
            "INSERT INTO transfers
             SELECT (jsonb_populate_record(transfers, jsonb_build_object('id', gen_random_uuid()))).*
             FROM transfers WHERE kind = 'WITHDRAWAL'",
            "transfers_one_each_way_a_withdrawal",
        ),
        ("UPDATE transfers SET withdrawal_id = NULL WHERE kind = 'WITHDRAWAL'", "transfers_of_a_withdrawal"),
        ("UPDATE cards SET last4 = '4242424242424242'", "cards_last4_check"),
    ] {
        let refusal = shop.refusal(statement).await?;
        assert!(refusal.contains(constraint), "{constraint} is not why: {refusal}");
    }
    Ok(())
}

#[tokio::test]
async fn a_wallets_balance_is_the_sum_of_its_entries() -> Result<()> {
    let (shop, ..) = ledger().await?;
    let reader = shop.reader()?;
    shop.top_up(&reader, "a", euros(3)).await??;
    crate::random::ledger_adds_up(&shop).await
}
