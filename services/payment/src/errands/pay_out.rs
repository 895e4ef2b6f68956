use sea_orm::{DbErr, TransactionTrait as _};
use values::WithdrawalId;

use super::Errands;
use crate::{
    domain::failure::Failure,
    gateway::Answer,
    store::{
        errands::{self, Errand},
        withdrawals,
    },
};

impl Errands {
    /// Pays out what has left a wallet; `false` if the gateway says nothing.
    pub(super) async fn pay_out(&self, errand: &Errand) -> Result<bool, DbErr> {
        let id = WithdrawalId::from_uuid(errand.id);
        let Some(withdrawal) = withdrawals::find_under_way(&self.db, id).await? else {
            fault::around("payment.end.commit", errands::end(&self.db, errand.id)).await?;
            return Ok(true);
        };
        let key = format!("pay-out/{}", errand.id);
        let answer = match &errand.token {
            Some(token) => {
                self.gateway
                    .ask("card.pay_out", |gateway| gateway.pay_out(&key, token, withdrawal.amount))
                    .await
            }
            None => Answer::Declined(Failure::ProcessingError),
        };
        let outcome = match answer {
            Answer::Done(_) => Ok(()),
            Answer::Declined(failure) => Err(failure),
            Answer::Unknown => return Ok(false),
        };
        let tx = self.db.begin().await?;
        withdrawals::end(&tx, id, outcome).await?;
        errands::end(&tx, errand.id).await?;
        fault::around("payment.pay_out.commit", tx.commit()).await?;
        Ok(true)
    }
}
