use sea_orm::{DbErr, TransactionTrait as _};
use values::RefundId;

use super::{Errands, tell};
use crate::{
    events::published,
    gateway::Answer,
    store::{
        card_charges,
        errands::{self, Errand},
        records,
        refunds::{self, To},
    },
};

impl Errands {
    /// Gives back to a card what was decided; `false` if the gateway says nothing. What the card takes no more goes into
    /// its customer's wallet, so that no money is stuck.
    pub(super) async fn refund(&self, errand: &Errand) -> Result<bool, DbErr> {
        let refund = refunds::find(&self.db, RefundId::from_uuid(errand.id)).await?;
        let Some(refund) = refund.filter(|refund| !refund.is_done) else {
            fault::around("payment.end.commit", errands::end(&self.db, errand.id)).await?;
            return Ok(true);
        };
        let to = match card_charges::capture(&self.db, refund.payment.uuid()).await? {
            None => To::Wallet,
            Some(capture) => {
                let key = format!("refund/{}", refund.id.uuid());
                match self
                    .gateway
                    .ask("card.refund", |gateway| gateway.refund(&key, &capture, refund.amount))
                    .await
                {
                    Answer::Done(_) => To::Card,
                    Answer::Declined(_) => To::Wallet,
                    Answer::Unknown => return Ok(false),
                }
            }
        };
        let tx = self.db.begin().await?;
        let payment = records::lock_one(&tx, refund.payment).await?;
        let payment = payment.ok_or_else(|| DbErr::RecordNotFound("the payment of a refund".to_owned()))?;
        if refunds::arrive(&tx, &payment, &refund, to).await? {
            tell(&tx, published::refunded(&payment, refund.amount)).await?;
        }
        errands::end(&tx, errand.id).await?;
        fault::around("payment.refund.commit", tx.commit()).await?;
        self.wake.wake();
        if to == To::Wallet {
            tracing::warn!(refund = %refund.id, "a card takes no refund; the money is in its customer's wallet");
        }
        Ok(true)
    }
}
