//! Outbox, relay, inbox, consumers, dead letters.
