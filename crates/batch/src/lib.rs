//! Group commit: many concurrent calls, one transaction.
