use testkit::Mailbox;

use crate::{Service, customer::PASSWORD};

/// The first admin, whom configuration makes.
pub(crate) const ADMIN_EMAIL: &str = "admin@example.com";
/// All customers of a test come from one address.
const LIMITS: [&str; 6] = [
    "BOOKSTORE_USER_RATE",
    "BOOKSTORE_USER_BURST",
    "BOOKSTORE_ADDRESS_RATE",
    "BOOKSTORE_ADDRESS_BURST",
    "BOOKSTORE_SIGN_IN_RATE",
    "BOOKSTORE_SIGN_IN_BURST",
];

/// What only this service is told.
pub(crate) fn of(service: Service, signing_key: &str, mailbox: &Mailbox) -> Vec<(&'static str, String)> {
    match service {
        Service::Identity => vec![
            ("BOOKSTORE_SIGNING_KEY", signing_key.to_owned()),
            ("BOOKSTORE_ADMIN_EMAIL", ADMIN_EMAIL.to_owned()),
            ("BOOKSTORE_ADMIN_PASSWORD", PASSWORD.to_owned()),
        ],
        // Cards that make people wait do so no longer than they must; a busy machine isn't such a card.
        Service::Payment => {
            vec![("BOOKSTORE_CARD_PATIENCE", "1s".to_owned()), ("BOOKSTORE_CARD_PAUSE", "100ms".to_owned())]
        }
        Service::Notification => vec![
            ("BOOKSTORE_SMTP_URL", mailbox.url()),
            ("BOOKSTORE_MAIL_FROM", "The Bookstore <shop@bookstore.example>".to_owned()),
        ],
        Service::Gateway => LIMITS
            .into_iter()
            .map(|limit| (limit, "1000000".to_owned()))
            .chain([("BOOKSTORE_CALLS_PER_CALLER", "10000".to_owned())])
            .collect(),
        Service::Inventory | Service::Order => Vec::new(),
    }
}
