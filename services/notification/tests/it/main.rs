//! The notification service as others see it: through events, over gRPC and by mail, on real Postgres, NATS and SMTP.

mod crashes;
mod encryption;
mod failures;
mod first_start;
mod letters;
mod listing;
mod process;
mod shop;
mod traces;
