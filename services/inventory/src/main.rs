//! Runs the inventory service.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    server::main::<inventory::Inventory>().await
}
