//! What staff may do with payments.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use auth::Permission;
use proto::payment::v1::{
    GetPaymentRequest, ListPaymentsRequest, Payment, PaymentRefunded, PaymentState, PayoutState,
    ProcessPaymentRequest, RefundCause, get_payment_request::Payment as Asked,
};
use testkit::{as_user, eventually, published};
use tokio::task::JoinSet;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use values::PaymentId;

use crate::{
    cards::gateway_agrees,
    shop::{Reader, SOON, Shop, euros},
};

/// Long enough that the shop itself doesn't ask again while the test looks.
const LONG: Duration = Duration::from_secs(5);

fn reason(status: &Status) -> Result<String> {
    Ok(status.get_details_error_info().context("no ErrorInfo")?.reason)
}

#[tokio::test]
async fn a_part_is_given_back_and_then_the_rest() -> Result<()> {
    let shop = Shop::open().await?;
    let staff = shop.staff(&[Permission::PAYMENTS_REFUND])?;
    let reader = shop.reader_with(10_00).await?;
    let card = shop.add_card(&reader, "tok_visa").await??.card_id;
    for order in [shop.place(&reader, 10_00).await?, shop.place_by(&card, &reader, 10_00).await?] {
        let payment = shop.payment_in(PaymentState::Captured, &reader, order).await?;
        let id = |part: &str| format!("{part}-{order}");
        let part = shop.refund(&staff, &id("part"), &payment, Some(4_00)).await??;
        assert_eq!((part.cause(), part.state()), (RefundCause::Staff, PayoutState::Done));
        assert_eq!((part.amount.clone(), part.note.as_str()), (Some(euros(4_00)), "a torn page"));
        assert_eq!(shop.refund(&staff, &id("part"), &payment, Some(4_00)).await??, part);
        let now = shop.payment(&reader, order).await??;
        assert_eq!((now.state(), &now.refunded), (PaymentState::Captured, &Some(euros(4_00))));
        assert_eq!(now.refunds, [part]);

        let status = shop.refund(&staff, &id("part"), &payment, Some(3_00)).await?.expect_err("given");
        assert_eq!((status.code(), reason(&status)?.as_str()), (Code::AlreadyExists, "REQUEST_ID_REUSED"));
        let status = shop.refund(&staff, &id("more"), &payment, Some(6_01)).await?.expect_err("given");
        assert_eq!(reason(&status)?, "REFUND_TOO_LARGE");

        let rest = shop.refund(&staff, &id("rest"), &payment, None).await??;
        assert_eq!(rest.amount, Some(euros(6_00)));
        assert_eq!(shop.payment(&reader, order).await??.state(), PaymentState::Refunded);
        let status = shop.refund(&staff, &id("again"), &payment, None).await?.expect_err("given");
        assert_eq!(reason(&status)?, "REFUND_TOO_LARGE");
    }
    let told = eventually("each refund is told", SOON, async || {
        let told = published::<PaymentRefunded>(&shop.broker).await.ok()?;
        (told.len() == 4).then_some(told)
    })
    .await?;
    let mut totals: Vec<_> = told.into_iter().filter_map(|told| told.event.refunded).collect();
    totals.sort_by_key(|total| total.minor_units);
    assert_eq!(totals, [euros(4_00), euros(4_00), euros(10_00), euros(10_00)]);
    assert_eq!(shop.balance(&reader).await?, 10_00);
    gateway_agrees(&shop).await
}

#[tokio::test]
async fn refunds_of_all_kinds_at_once_never_exceed_the_capture() -> Result<()> {
    let shop = Arc::new(Shop::open().await?);
    let _replica = shop.replica().await?;
    let staff = shop.staff(&[Permission::PAYMENTS_REFUND])?;
    let reader = shop.reader_with(10_00).await?;
    let card = shop.add_card(&reader, "tok_visa").await??.card_id;
    for order in [shop.place(&reader, 10_00).await?, shop.place_by(&card, &reader, 10_00).await?] {
        let payment = Arc::new(shop.payment_in(PaymentState::Captured, &reader, order).await?);
        let mut calls = JoinSet::new();
        for number in 0..12 {
            let (shop, staff, payment) = (shop.clone(), staff.clone(), payment.clone());
            // Each of them twice.
            let id = format!("{}-{order}", number / 2);
            calls.spawn(async move { shop.refund(&staff, &id, &payment, Some(3_00)).await });
        }
        shop.cancel(&reader, order).await?;
        shop.returned(values::ReturnId::new(), &reader, order, 3_00).await?;
        let mut given = std::collections::BTreeMap::new();
        while let Some(answer) = calls.join_next().await {
            if let Ok(refund) = answer?? {
                given.insert(refund.refund_id, refund.amount);
            }
        }
        assert!(given.len() <= 3, "{given:?}");
        let payment = shop.payment_in(PaymentState::Refunded, &reader, order).await?;
        assert_eq!(payment.refunded, Some(euros(10_00)));
    }
    assert_eq!(shop.balance(&reader).await?, 10_00);
    gateway_agrees(&shop).await
}

#[tokio::test]
async fn what_was_never_captured_is_not_given_back() -> Result<()> {
    let shop = Shop::open().await?;
    let staff = shop.staff(&[Permission::PAYMENTS_REFUND])?;
    let reader = shop.reader()?;
    let order = shop.place(&reader, 10_00).await?;
    let failed = shop.payment_in(PaymentState::Failed, &reader, order).await?;
    let status = shop.refund(&staff, "a", &failed, None).await?.expect_err("given");
    assert_eq!((status.code(), reason(&status)?.as_str()), (Code::FailedPrecondition, "NOTHING_CAPTURED"));

    let unheard_of = Payment { payment_id: PaymentId::new().to_string(), ..Payment::default() };
    let status = shop.refund(&staff, "a", &unheard_of, None).await?.expect_err("given");
    assert_eq!((status.code(), reason(&status)?.as_str()), (Code::NotFound, "PAYMENT_NOT_FOUND"));
    let status = shop.refund(&reader, "a", &failed, None).await?.expect_err("given");
    assert_eq!(status.code(), Code::PermissionDenied);
    Ok(())
}

#[tokio::test]
async fn a_payment_is_looked_after_when_staff_say_so() -> Result<()> {
    let shop = Shop::open_with_patience(LONG).await?;
    let staff = shop.staff(&[Permission::PAYMENTS_MANAGE])?;
    let reader = shop.reader()?;
    let card = shop.add_card(&reader, "tok_late_success").await??.card_id;
    let order = shop.place_by(&card, &reader, 10_00).await?;
    let payment = shop.payment_in(PaymentState::Pending, &reader, order).await?;
    eventually("the card's bank has promised, unheard", SOON, async || {
        let done = "SELECT count(*) FROM simulated_gateway.operations WHERE answer = 'DONE'";
        (shop.number(done).await.ok()? == 1).then_some(())
    })
    .await?;

    let process = async |who: &Reader, payment_id: &str| {
        let request = ProcessPaymentRequest { payment_id: payment_id.to_owned() };
        anyhow::Ok(shop.client.clone().process_payment(as_user(&who.token, request)?).await)
    };
    let answer = process(&staff, &payment.payment_id).await??.into_inner();
    assert_eq!(answer.state(), PaymentState::Authorised, "the promise is heard, the capture not yet");
    let answer = process(&staff, &payment.payment_id).await??.into_inner();
    assert_eq!(answer.state(), PaymentState::Captured);
    let again = process(&staff, &payment.payment_id).await??.into_inner();
    assert_eq!(again, answer);

    let unheard_of = PaymentId::new().to_string();
    assert_eq!(process(&staff, &unheard_of).await?.expect_err("found").code(), Code::NotFound);
    let refused = process(&reader, &payment.payment_id).await?.expect_err("processed");
    assert_eq!(refused.code(), Code::PermissionDenied);
    gateway_agrees(&shop).await
}

#[tokio::test]
async fn everybodys_payments_are_read_with_a_permission_and_ones_own_without() -> Result<()> {
    let shop = Shop::open().await?;
    let staff = shop.staff(&[Permission::PAYMENTS_READ])?;
    let (one, other) = (shop.reader_with(10_00).await?, shop.reader()?);
    let mut orders = Vec::new();
    for (reader, state) in [
        (&one, PaymentState::Captured),
        (&one, PaymentState::Captured),
        (&one, PaymentState::Failed),
        (&other, PaymentState::Failed),
    ] {
        let total = if state == PaymentState::Captured { 5_00 } else { 50_00 };
        let order = shop.place(reader, total).await?;
        shop.payment_in(state, reader, order).await?;
        orders.push(order.to_string());
    }
    let list = async |who: &Reader, request: ListPaymentsRequest| {
        let page = shop.client.clone().list_payments(as_user(&who.token, request)?).await?.into_inner();
        let named: Vec<_> = page
            .payments
            .iter()
            .filter_map(|payment| orders.iter().position(|order| *order == payment.order_id))
            .collect();
        anyhow::Ok((named, page.next_page_token))
    };
    let all = ListPaymentsRequest::default;
    let of = |reader: &Reader| ListPaymentsRequest { user_id: reader.user.to_string(), ..all() };
    let failed = || ListPaymentsRequest { state: PaymentState::Failed.into(), ..all() };
    assert_eq!(list(&one, all()).await?.0, [2, 1, 0]);
    assert_eq!(list(&one, of(&one)).await?.0, [2, 1, 0]);
    assert!(list(&one, of(&other)).await?.0.is_empty());
    assert_eq!(list(&one, failed()).await?.0, [2]);
    assert_eq!(list(&staff, all()).await?.0, [3, 2, 1, 0]);
    assert_eq!(list(&staff, of(&other)).await?.0, [3]);
    assert_eq!(list(&staff, failed()).await?.0, [3, 2]);

    let (first, page_token) = list(&staff, ListPaymentsRequest { page_size: 3, ..all() }).await?;
    let (rest, end) = list(&staff, ListPaymentsRequest { page_token: page_token.clone(), ..all() }).await?;
    assert_eq!((first, rest, end), (vec![3, 2, 1], vec![0], String::new()));
    assert!(list(&one, ListPaymentsRequest { page_token, ..all() }).await.is_err(), "of another list");

    let request = GetPaymentRequest { payment: Some(Asked::OrderId(orders[0].clone())) };
    let read = shop.client.clone().get_payment(as_user(&staff.token, request)?).await?.into_inner();
    assert_eq!(read.user_id, one.user.to_string());
    Ok(())
}
