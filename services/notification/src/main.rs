//! Starts the notification service.

fn main() {}
