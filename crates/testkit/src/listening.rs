use std::sync::OnceLock;

use tracing::Dispatch;

/// Lets a test's own subscriber hear what its thread says, whatever other tests do. To be called before it is made.
///
/// While a process has one subscriber only, tracing asks the thread that is the first to come to an event whether
/// anybody listens, and remembers the answer: another test's thread says no. Here is a second one, which lasts.
pub fn listen() {
    static SECOND: OnceLock<Dispatch> = OnceLock::new();
    SECOND.get_or_init(|| Dispatch::new(tracing_subscriber::registry()));
}
