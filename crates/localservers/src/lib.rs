//! A private Postgres and a private NATS server on this machine.
