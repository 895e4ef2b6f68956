//! What the attempts under way have to ask and to write down, together.

use std::sync::Arc;

use batch::{Batcher, Limits, Step};
use sea_orm::{DatabaseConnection, DbErr};
use server::database;
use tonic::Status;
use values::{DeliveryId, UserId};

use crate::{
    clients::{Contact, Identity},
    store::sending,
};

/// Asks identity how users are reached.
pub(crate) struct Contacts(Identity);

/// Writes down what the mail server has taken.
pub(crate) struct Sent(DatabaseConnection);

impl Contacts {
    pub(crate) fn spawn(identity: Identity) -> Batcher<Self> {
        Batcher::spawn("contacts", Self(identity), Limits::default())
    }
}

impl Sent {
    pub(crate) fn spawn(db: DatabaseConnection) -> Batcher<Self> {
        Batcher::spawn("sent", Self(db), Limits::default())
    }
}

impl Step for Contacts {
    type Item = UserId;
    /// `None` if the user is gone.
    type Outcome = Result<Option<Contact>, Status>;
    type Error = Status;

    async fn run(&self, users: &[UserId]) -> Result<Vec<Self::Outcome>, Status> {
        self.0.contacts_of(users).await
    }

    fn may_blame_an_item(_: &Status) -> bool {
        false
    }
}

impl Step for Sent {
    type Item = DeliveryId;
    type Outcome = ();
    type Error = Arc<DbErr>;

    async fn run(&self, deliveries: &[DeliveryId]) -> Result<Vec<()>, Arc<DbErr>> {
        database::answered(sending::sent(&self.0, deliveries)).await?;
        Ok(vec![(); deliveries.len()])
    }

    fn may_blame_an_item(_: &Arc<DbErr>) -> bool {
        false
    }
}
