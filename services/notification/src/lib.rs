//! The notification service: tells customers by e-mail what happened to their orders.
