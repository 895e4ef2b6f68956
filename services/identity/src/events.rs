//! What identity tells the other services. It listens to none.

pub(crate) mod published;
