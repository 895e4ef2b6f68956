//! What callers may ask for: one file an RPC.

mod add_card;
mod delete_card;
mod get_balance;
mod get_payment;
mod list_cards;
mod list_ledger_entries;
mod list_payments;
mod process_payment;
mod refund_payment;
mod top_up;
mod withdraw;

use std::str::FromStr;

use proto::payment::v1 as wire;
use sea_orm::DatabaseConnection;
use serde::Serialize;
use server::{
    caller::customer,
    wire::{money, timestamp},
};
use tonic::{Request, Response, Status};
use values::{
    Currency, Violations,
    page::{self, PageSize},
};

use crate::{
    domain::card::Card,
    errands::Errands,
    store::entries::{Entry, Kind},
};

/// What the RPCs work with.
#[derive(Clone, Debug)]
pub(crate) struct Payments {
    pub(crate) db: DatabaseConnection,
    pub(crate) errands: Errands,
    /// Currency of the wallet that every user has.
    pub(crate) currency: Currency,
}

#[tonic::async_trait]
impl wire::payment_service_server::PaymentService for Payments {
    async fn get_balance(
        &self,
        call: Request<wire::GetBalanceRequest>,
    ) -> Result<Response<wire::Balance>, Status> {
        let caller = customer(&call)?;
        Ok(Response::new(get_balance::get_balance(self, &caller, call.into_inner()).await?))
    }

    async fn top_up(&self, call: Request<wire::TopUpRequest>) -> Result<Response<wire::LedgerEntry>, Status> {
        let caller = customer(&call)?;
        Ok(Response::new(top_up::top_up(self, &caller, call.into_inner()).await?))
    }

    async fn add_card(&self, call: Request<wire::AddCardRequest>) -> Result<Response<wire::Card>, Status> {
        let caller = customer(&call)?;
        Ok(Response::new(add_card::add_card(self, &caller, call.into_inner()).await?))
    }

    async fn list_cards(
        &self,
        call: Request<wire::ListCardsRequest>,
    ) -> Result<Response<wire::ListCardsResponse>, Status> {
        let caller = customer(&call)?;
        Ok(Response::new(list_cards::list_cards(self, &caller, call.into_inner()).await?))
    }

    async fn delete_card(
        &self,
        call: Request<wire::DeleteCardRequest>,
    ) -> Result<Response<wire::DeleteCardResponse>, Status> {
        let caller = customer(&call)?;
        Ok(Response::new(delete_card::delete_card(self, &caller, call.into_inner()).await?))
    }

    async fn withdraw(
        &self,
        call: Request<wire::WithdrawRequest>,
    ) -> Result<Response<wire::Withdrawal>, Status> {
        let caller = customer(&call)?;
        Ok(Response::new(withdraw::withdraw(self, &caller, call.into_inner()).await?))
    }

    async fn list_payments(
        &self,
        call: Request<wire::ListPaymentsRequest>,
    ) -> Result<Response<wire::ListPaymentsResponse>, Status> {
        let caller = customer(&call)?;
        Ok(Response::new(list_payments::list_payments(self, &caller, call.into_inner()).await?))
    }

    async fn process_payment(
        &self,
        call: Request<wire::ProcessPaymentRequest>,
    ) -> Result<Response<wire::Payment>, Status> {
        Ok(Response::new(process_payment::process_payment(self, call.into_inner()).await?))
    }

    async fn refund_payment(
        &self,
        call: Request<wire::RefundPaymentRequest>,
    ) -> Result<Response<wire::Refund>, Status> {
        let caller = customer(&call)?;
        Ok(Response::new(refund_payment::refund_payment(self, &caller, call.into_inner()).await?))
    }

    async fn list_ledger_entries(
        &self,
        call: Request<wire::ListLedgerEntriesRequest>,
    ) -> Result<Response<wire::ListLedgerEntriesResponse>, Status> {
        let caller = customer(&call)?;
        Ok(Response::new(list_ledger_entries::list_ledger_entries(self, &caller, call.into_inner()).await?))
    }

    async fn get_payment(
        &self,
        call: Request<wire::GetPaymentRequest>,
    ) -> Result<Response<wire::Payment>, Status> {
        let caller = customer(&call)?;
        Ok(Response::new(get_payment::get_payment(self, &caller, call.into_inner()).await?))
    }
}

impl From<Entry> for wire::LedgerEntry {
    fn from(entry: Entry) -> Self {
        let kind = match entry.kind {
            Kind::TopUp => wire::TransferKind::TopUp,
            Kind::Capture => wire::TransferKind::Capture,
            Kind::Refund => wire::TransferKind::Refund,
            Kind::Withdrawal => wire::TransferKind::Withdrawal,
            Kind::WithdrawalReversal => wire::TransferKind::WithdrawalReversal,
        };
        Self {
            transfer_id: entry.transfer.to_string(),
            amount: Some(money(entry.amount)),
            kind: kind.into(),
            order_id: entry.order.map(|order| order.to_string()).unwrap_or_default(),
            create_time: Some(timestamp(entry.created_at)),
        }
    }
}

/// The currency asked for, or the shop's own.
fn currency_or(
    violations: &mut Violations,
    field: &str,
    code: &str,
    shops_own: Currency,
) -> Option<Currency> {
    if code.is_empty() { Some(shops_own) } else { violations.parse(field, code) }
}

/// The id that an optional field names; nothing where it is empty.
fn optional<T: FromStr>(text: &str) -> Result<Option<T>, T::Err> {
    if text.is_empty() { Ok(None) } else { text.parse().map(Some) }
}

/// The page out of what was found, one more than which tells that another follows; and what asks for that.
fn one_page<T, C: Serialize>(
    mut found: Vec<T>,
    size: PageSize,
    scope: &str,
    cursor: impl Fn(&T) -> C,
) -> (Vec<T>, String) {
    let size = usize::try_from(size.get()).unwrap_or(usize::MAX);
    let more = found.len() > size;
    found.truncate(size);
    let next_page_token = match found.last() {
        Some(last) if more => page::encode(scope, &cursor(last)),
        _ => String::new(),
    };
    (found, next_page_token)
}

impl From<Card> for wire::Card {
    fn from(card: Card) -> Self {
        Self {
            card_id: card.id.to_string(),
            brand: card.brand,
            last4: card.last4,
            expire_month: card.expire_month.into(),
            expire_year: card.expire_year.into(),
            create_time: Some(timestamp(card.created_at)),
        }
    }
}
