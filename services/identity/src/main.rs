//! The identity process.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    Box::pin(server::main::<identity::Identity>()).await
}
