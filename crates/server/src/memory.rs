//! Where every service's memory comes from.

/// Of every program that links this crate: a tenth to an eighth less CPU a call than with glibc's.
///
/// musl, which programs are shipped with, has one allocator for small programs, with one lock. glibc's keeps what a burst
/// took, in an arena for each thread: 700 MiB after 64 passwords were hashed at once. Without huge pages, of which a
/// process that needs 20 MB keeps dozens half empty.
///
/// It keeps large blocks that are free for a second, and until something else happens to it: images and `cargo xtask up`
/// say `MIMALLOC_ARENA_PURGE_MULT=0`, with which they are given back at once, as the 19 MiB are that a password takes.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
