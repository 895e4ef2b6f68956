//! bookstore, the client application for the terminal.

fn main() {}
