//! The payment service's process.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    Box::pin(server::main::<payment::Payment>()).await
}
