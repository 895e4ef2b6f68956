//! Calling another service.
