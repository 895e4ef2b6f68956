//! What is refused, and how it is named.

use anyhow::{Context as _, Result};
use auth::Permission;
use proto::{
    payment::v1::{
        AddCardRequest, DeleteCardRequest, GetBalanceRequest, GetPaymentRequest, ListCardsRequest,
        ListLedgerEntriesRequest, ListPaymentsRequest, PaymentState, ProcessPaymentRequest,
        RefundPaymentRequest, TopUpRequest, WithdrawRequest, get_payment_request::Payment as Asked,
    },
    types::v1::Money,
};
use testkit::as_user;
use tonic::{Code, Response, Status};
use tonic_types::StatusExt as _;

use crate::shop::Shop;

fn wrong_fields<T: std::fmt::Debug>(answer: Result<Response<T>, Status>) -> Result<Vec<String>> {
    let status = answer.err().context("an answer")?;
    assert_eq!(status.code(), Code::InvalidArgument);
    let request = status.get_details_bad_request().context("no BadRequest")?;
    Ok(request.field_violations.into_iter().map(|violation| violation.field).collect())
}

#[tokio::test]
async fn every_wrong_field_is_named() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let mut client = shop.client.clone();

    let amount = |minor_units, code: &str| Some(Money { minor_units, currency_code: code.to_owned() });
    for (request, wrong) in [
        (TopUpRequest::default(), vec!["request_id", "amount"]),
        (
            TopUpRequest { request_id: "a b".to_owned(), amount: amount(1, "EUR"), ..Default::default() },
            vec!["request_id"],
        ),
        (
            TopUpRequest { request_id: "a".repeat(65), amount: amount(1, "EUR"), ..Default::default() },
            vec!["request_id"],
        ),
        (
            TopUpRequest { request_id: "a".to_owned(), amount: amount(0, "EUR"), ..Default::default() },
            vec!["amount.minor_units"],
        ),
        (
            TopUpRequest { request_id: "a".to_owned(), amount: amount(-1, "EUR"), ..Default::default() },
            vec!["amount.minor_units"],
        ),
        (
            TopUpRequest {
                request_id: "a".to_owned(),
                amount: amount(1_000_001, "EUR"),
                ..Default::default()
            },
            vec!["amount.minor_units"],
        ),
        (
            TopUpRequest { request_id: "a".to_owned(), amount: amount(1, "euro"), ..Default::default() },
            vec!["amount.currency_code"],
        ),
        (
            TopUpRequest {
                request_id: "'; --".to_owned(),
                amount: amount(i64::MAX, "XXX"),
                ..Default::default()
            },
            vec!["request_id", "amount.currency_code", "amount.minor_units"],
        ),
    ] {
        let answer = client.top_up(as_user(&reader.token, request.clone())?).await;
        assert_eq!(wrong_fields(answer)?, wrong, "{request:?}");
    }

    let request = GetBalanceRequest { currency_code: "EURO".to_owned() };
    assert_eq!(wrong_fields(client.get_balance(as_user(&reader.token, request)?).await)?, ["currency_code"]);

    for (request, wrong) in [
        (ListLedgerEntriesRequest { page_size: -1, ..Default::default() }, vec!["page_size"]),
        (
            ListLedgerEntriesRequest { page_token: "made up".to_owned(), ..Default::default() },
            vec!["page_token"],
        ),
        (
            ListLedgerEntriesRequest { page_size: -1, currency_code: "?".to_owned(), ..Default::default() },
            vec!["currency_code", "page_size"],
        ),
    ] {
        let answer = client.list_ledger_entries(as_user(&reader.token, request.clone())?).await;
        assert_eq!(wrong_fields(answer)?, wrong, "{request:?}");
    }

    for (payment, wrong) in [
        (None, "payment"),
        (Some(Asked::PaymentId(String::new())), "payment_id"),
        (Some(Asked::PaymentId("ord_01h455vb4pex5vsknk084sn02q".to_owned())), "payment_id"),
        (Some(Asked::OrderId("ord_01H455VB4PEX5VSKNK084SN02Q".to_owned())), "order_id"),
    ] {
        let answer = client.get_payment(as_user(&reader.token, GetPaymentRequest { payment })?).await;
        assert_eq!(wrong_fields(answer)?, [wrong]);
    }
    assert_eq!(shop.number("SELECT count(*) FROM accounts").await?, 0, "nothing is half-written");
    Ok(())
}

#[tokio::test]
async fn every_wrong_field_of_cards_and_payouts_is_named() -> Result<()> {
    let shop = Shop::open().await?;
    let reader = shop.reader()?;
    let mut client = shop.client.clone();
    let euro = |minor_units| Some(Money { minor_units, currency_code: "EUR".to_owned() });

    for (request, wrong) in [
        (AddCardRequest::default(), vec!["request_id", "token"]),
        (AddCardRequest { request_id: "a".to_owned(), token: "t".repeat(101) }, vec!["token"]),
        (AddCardRequest { request_id: "a".to_owned(), token: "a\nb".to_owned() }, vec!["token"]),
    ] {
        assert_eq!(wrong_fields(client.add_card(as_user(&reader.token, request)?).await)?, wrong);
    }
    let request = ListCardsRequest { page_size: -1, page_token: "made up".to_owned() };
    let wrong = wrong_fields(client.list_cards(as_user(&reader.token, request)?).await)?;
    assert_eq!(wrong, ["page_size", "page_token"]);
    for card_id in ["", "crd_x", "pay_01h455vb4pex5vsknk084sn02q"] {
        let request = DeleteCardRequest { card_id: card_id.to_owned() };
        assert_eq!(wrong_fields(client.delete_card(as_user(&reader.token, request)?).await)?, ["card_id"]);
    }
    let request = TopUpRequest { request_id: "a".to_owned(), amount: euro(1), card_id: "crd_x".to_owned() };
    assert_eq!(wrong_fields(client.top_up(as_user(&reader.token, request)?).await)?, ["card_id"]);

    for (request, wrong) in [
        (WithdrawRequest::default(), vec!["request_id", "amount"]),
        (
            WithdrawRequest { request_id: "a".to_owned(), amount: euro(0), card_id: "x".to_owned() },
            vec!["amount.minor_units", "card_id"],
        ),
    ] {
        assert_eq!(wrong_fields(client.withdraw(as_user(&reader.token, request)?).await)?, wrong);
    }
    assert_eq!(shop.number("SELECT count(*) FROM cards").await?, 0, "nothing is half-written");
    Ok(())
}

#[tokio::test]
async fn every_wrong_field_of_what_staff_ask_is_named() -> Result<()> {
    let shop = Shop::open().await?;
    let staff = shop.staff(Permission::ALL)?;
    let mut client = shop.client.clone();
    let request = ListPaymentsRequest {
        page_size: -1,
        page_token: "made up".to_owned(),
        user_id: "usr_x".to_owned(),
        state: 99,
    };
    let wrong = wrong_fields(client.list_payments(as_user(&staff.token, request)?).await)?;
    assert_eq!(wrong, ["page_size", "user_id", "state", "page_token"]);
    let request = ProcessPaymentRequest { payment_id: "pay_x".to_owned() };
    let wrong = wrong_fields(client.process_payment(as_user(&staff.token, request)?).await)?;
    assert_eq!(wrong, ["payment_id"]);
    let request = RefundPaymentRequest {
        amount: Some(Money { minor_units: 0, currency_code: "EUR".to_owned() }),
        note: "n".repeat(201),
        ..RefundPaymentRequest::default()
    };
    let wrong = wrong_fields(client.refund_payment(as_user(&staff.token, request)?).await)?;
    assert_eq!(wrong, ["request_id", "payment_id", "amount.minor_units", "note"]);

    let reader = shop.reader_with(10_00).await?;
    let order = shop.place(&reader, 10_00).await?;
    let payment = shop.payment_in(PaymentState::Captured, &reader, order).await?;
    let request = RefundPaymentRequest {
        request_id: "a".to_owned(),
        payment_id: payment.payment_id,
        amount: Some(Money { minor_units: 1, currency_code: "USD".to_owned() }),
        note: String::new(),
    };
    let wrong = wrong_fields(client.refund_payment(as_user(&staff.token, request)?).await)?;
    assert_eq!(wrong, ["amount.currency_code"]);
    Ok(())
}

#[tokio::test]
async fn nobody_reads_a_wallet_without_signing_in() -> Result<()> {
    let shop = Shop::open().await?;
    let mut client = shop.client.clone();
    let refused = [
        client.get_balance(GetBalanceRequest::default()).await.expect_err("an answer"),
        client.top_up(TopUpRequest::default()).await.expect_err("an answer"),
        client.list_ledger_entries(ListLedgerEntriesRequest::default()).await.expect_err("an answer"),
        client.get_payment(GetPaymentRequest::default()).await.expect_err("an answer"),
        client
            .get_balance(as_user("made.up.token", GetBalanceRequest::default())?)
            .await
            .expect_err("an answer"),
    ];
    for status in refused {
        assert_eq!(status.code(), Code::Unauthenticated);
    }
    Ok(())
}
