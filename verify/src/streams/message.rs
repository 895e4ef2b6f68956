use async_nats::HeaderMap;
use chrono::{DateTime, Utc};
use uuid::Uuid;
use values::EventId;

use crate::Service;

/// What a message's headers say of it.
#[derive(Debug)]
pub(super) struct Message {
    /// Its event; nothing where it has none that can be read.
    pub(super) event: Option<Uuid>,
    /// Whether it says that the stream's own service sent it.
    pub(super) is_ours: bool,
    /// When it happened, by the clock of its service's database.
    pub(super) time: Option<DateTime<Utc>>,
}

impl Message {
    pub(super) fn read(message: &async_nats::Message, service: Service) -> Self {
        let none = HeaderMap::new();
        let headers = message.headers.as_ref().unwrap_or(&none);
        let header = |name: &str| headers.get(name).map(async_nats::HeaderValue::as_str);
        Self {
            event: header("ce-id").and_then(|id| id.parse::<EventId>().ok()).map(EventId::uuid),
            is_ours: header("ce-source") == Some(&format!("/bookstore/{}", service.name())),
            time: header("ce-time").and_then(|time| time.parse().ok()),
        }
    }
}
