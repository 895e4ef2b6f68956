/// Name and SQL of the tables that every service with events has; the migrator applies them before the service's own.
#[must_use]
pub const fn migrations() -> &'static [(&'static str, &'static str)] {
    &[
        ("events_0001", include_str!("../migrations/events_0001.sql")),
        ("events_0002", include_str!("../migrations/events_0002.sql")),
    ]
}
