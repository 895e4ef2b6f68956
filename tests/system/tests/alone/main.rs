//! What holds only while the machine has time to spare: calls of which not one may fail, and answers within a second. So
//! these tests run one after the other, and cargo runs them apart from all others.

mod database_faults;
mod replicas;
mod rolling;
mod rotation;

use tokio::sync::{Mutex, MutexGuard};

/// The machine, until it is dropped.
async fn machine() -> MutexGuard<'static, ()> {
    static MACHINE: Mutex<()> = Mutex::const_new(());
    MACHINE.lock().await
}
