//! Handshakes over real connections, with certificates in real files.

mod certificates;
mod files;
mod following;
mod handshakes;
mod shop;
