use auth::Permission;
use prost::Name;
use proto::payment::v1::{
    AddCardRequest, DeleteCardRequest, GetBalanceRequest, GetPaymentRequest, ListCardsRequest,
    ListLedgerEntriesRequest, ListPaymentsRequest, ProcessPaymentRequest, RefundPaymentRequest, TopUpRequest,
    WithdrawRequest, get_payment_request::Payment,
};
use system_tests::Service;

use super::{
    row::{Row, Whose},
    world::{World, euros, new_request_id},
};

const A_PAYMENT: Whose =
    Whose::TheUsers { missing: "PAYMENT_NOT_FOUND", but_for: Some(Permission::PAYMENTS_READ) };
const A_CARD: Whose = Whose::TheUsers { missing: "CARD_NOT_FOUND", but_for: None };

pub(crate) fn rows() -> Vec<Row> {
    vec![
        row("/bookstore.payment.v1.PaymentService/GetBalance", Whose::TheCallers, |_| {
            GetBalanceRequest::default()
        }),
        row("/bookstore.payment.v1.PaymentService/TopUp", A_CARD, |world| TopUpRequest {
            request_id: new_request_id(),
            amount: Some(euros(11)),
            card_id: world.card_id.clone(),
        }),
        row("/bookstore.payment.v1.PaymentService/Withdraw", A_CARD, |world| WithdrawRequest {
            request_id: new_request_id(),
            amount: Some(euros(7)),
            card_id: world.card_id.clone(),
        }),
        row("/bookstore.payment.v1.PaymentService/AddCard", Whose::TheCallers, |_| AddCardRequest {
            request_id: new_request_id(),
            token: "tok_mastercard".to_owned(),
        }),
        row("/bookstore.payment.v1.PaymentService/ListCards", Whose::TheCallers, |_| {
            ListCardsRequest::default()
        }),
        // What isn't the caller's needs no forgetting.
        row("/bookstore.payment.v1.PaymentService/DeleteCard", Whose::TheCallers, |world| {
            DeleteCardRequest { card_id: world.spare_card.clone() }
        }),
        row(
            "/bookstore.payment.v1.PaymentService/ListPayments",
            Whose::TheCallersOr(Permission::PAYMENTS_READ),
            |_| ListPaymentsRequest::default(),
        ),
        row("/bookstore.payment.v1.PaymentService/ProcessPayment", Whose::TheStaffs, |world| {
            ProcessPaymentRequest { payment_id: world.payment_id.clone() }
        })
        .taking(Permission::PAYMENTS_MANAGE),
        row("/bookstore.payment.v1.PaymentService/RefundPayment", Whose::TheStaffs, |world| {
            RefundPaymentRequest {
                request_id: new_request_id(),
                payment_id: world.payment_id.clone(),
                amount: Some(euros(3)),
                note: "for the trouble".to_owned(),
            }
        })
        .taking(Permission::PAYMENTS_REFUND),
        row("/bookstore.payment.v1.PaymentService/ListLedgerEntries", Whose::TheCallers, |_| {
            ListLedgerEntriesRequest::default()
        }),
        row("/bookstore.payment.v1.PaymentService/GetPayment", A_PAYMENT, |world| GetPaymentRequest {
            payment: Some(Payment::PaymentId(world.payment_id.clone())),
        }),
        row("/bookstore.payment.v1.PaymentService/GetPayment", A_PAYMENT, |world| GetPaymentRequest {
            payment: Some(Payment::OrderId(world.kept.clone())),
        }),
    ]
}

fn row<M: Name>(
    path: &'static str,
    whose: Whose,
    request: impl Fn(&World) -> M + Send + Sync + 'static,
) -> Row {
    Row::new(path, Service::Payment, whose, request)
}
