//! The inventory service: shops, books, prices, stock, and reservations of stock.

pub mod domain;
