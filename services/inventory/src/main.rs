//! The process of the inventory service.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    Box::pin(server::main::<inventory::Inventory>()).await
}
