//! Being a service.
