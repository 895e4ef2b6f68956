//! The gateway's process.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    server::front_main::<gateway::Gateway>().await
}
