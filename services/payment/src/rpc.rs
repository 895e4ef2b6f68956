//! What callers may ask for: one file an RPC.

mod get_balance;
mod get_payment;
mod list_ledger_entries;
mod top_up;

use proto::payment::v1 as wire;
use sea_orm::DatabaseConnection;
use server::{
    caller::customer,
    wire::{money, timestamp},
};
use tonic::{Request, Response, Status};
use values::{Currency, Violations};

use crate::{
    card::Card,
    store::entries::{Entry, Kind},
};

/// What the RPCs work with.
#[derive(Clone, Debug)]
pub(crate) struct Payments {
    pub(crate) db: DatabaseConnection,
    pub(crate) card: Card,
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
