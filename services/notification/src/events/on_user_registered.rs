use proto::identity::v1::UserRegistered;
use values::UserId;

use super::{Newsworthy, reference};
use crate::domain::news::News;

impl Newsworthy for UserRegistered {
    const STREAM: &'static str = "IDENTITY";
    const DURABLE: &'static str = "notification_user_registered";

    fn news(&self) -> Result<Option<(UserId, String, News)>, String> {
        let user = reference("user_id", &self.user_id)?;
        Ok(Some((user, self.user_id.clone(), News::Registered)))
    }
}
