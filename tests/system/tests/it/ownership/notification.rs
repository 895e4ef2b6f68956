use auth::Permission;
use proto::notification::v1::ListDeliveriesRequest;
use system_tests::Service;

use super::row::{Row, Whose};

pub(crate) fn rows() -> Vec<Row> {
    vec![
        Row::new(
            "/bookstore.notification.v1.NotificationService/ListDeliveries",
            Service::Notification,
            Whose::TheStaffs,
            |world| ListDeliveriesRequest { user_id: world.owner.user_id.clone(), ..Default::default() },
        )
        .taking(Permission::DELIVERIES_READ),
    ]
}
