//! Runs the order service.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    // Too large a future for the stack that tests and tools give a thread.
    Box::pin(server::main::<order::Order>()).await
}
