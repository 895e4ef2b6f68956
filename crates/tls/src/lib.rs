//! Certificates with SPIFFE ids, re-read from disk, for both sides of a call.
