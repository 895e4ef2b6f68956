use prost::Name;
use proto::payment::v1::{
    GetBalanceRequest, GetPaymentRequest, ListLedgerEntriesRequest, TopUpRequest,
    get_payment_request::Payment,
};
use system_tests::Service;

use super::{
    row::{Row, Whose},
    world::{World, euros, new_request_id},
};

const A_PAYMENT: Whose = Whose::TheUsers { missing: "PAYMENT_NOT_FOUND", but_for: None };

pub(crate) fn rows() -> Vec<Row> {
    vec![
        row("/bookstore.payment.v1.PaymentService/GetBalance", Whose::TheCallers, |_| {
            GetBalanceRequest::default()
        }),
        row("/bookstore.payment.v1.PaymentService/TopUp", Whose::TheCallers, |_| TopUpRequest {
            request_id: new_request_id(),
            amount: Some(euros(11)),
            card_id: String::new(),
        }),
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
