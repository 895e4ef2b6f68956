//! Bad bytes for everything that reads bytes from outside.
//!
//! A [`Target`] gives one reader any bytes at all and holds it to what it promises: it never panics, what it takes it
//! writes as it would read it, and what it refuses leaves nothing behind. `cargo xtask fuzz` searches for inputs that break
//! that, guided by the code that they reach; `cargo test -p fuzz` gives every reader its examples, pieces of them, and
//! whatever was found before.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a broken promise is told by a panic: that is what this crate is for"
)]

mod targets;
mod text;

pub use targets::TARGETS;

/// Something that reads bytes from outside.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// What it is called on the command line: `isbn`.
    pub name: &'static str,
    /// What is read, in a few words.
    pub about: &'static str,
    /// The longest input worth trying, in bytes.
    pub longest: usize,
    /// Reads the bytes, and panics if a promise is broken.
    pub run: fn(&[u8]),
    /// What users, services and feeds really send.
    pub examples: fn() -> Vec<Vec<u8>>,
}

impl Target {
    /// The target of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        TARGETS.iter().find(|target| target.name == name)
    }
}

/// Examples that are texts.
fn texts(examples: &[&str]) -> Vec<Vec<u8>> {
    examples.iter().map(|text| text.as_bytes().to_vec()).collect()
}
