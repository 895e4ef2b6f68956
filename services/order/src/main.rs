//! Runs the order service.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    server::main::<order::Order>().await
}
