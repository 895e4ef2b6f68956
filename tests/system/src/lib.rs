//! The whole shop on one machine.
