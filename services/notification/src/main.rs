//! The notification service's process.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    server::main::<notification::Notification>().await
}
