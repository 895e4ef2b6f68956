//! The messages in a stream of bytes.

/// A compression flag and four bytes of length precede each message.
const PREFIX: usize = 5;

/// Follows the messages of one direction of a call, chunk by chunk, and keeps none of their bytes.
#[derive(Debug)]
pub struct Framing {
    most: usize,
    prefix: [u8; PREFIX],
    prefix_read: usize,
    message_left: usize,
}

/// A message that is larger than what is passed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooLarge {
    /// What its prefix says of it.
    pub bytes: usize,
    /// How much of the chunk belongs to the messages before it.
    pub begins: usize,
}

impl Framing {
    /// Of messages of at most so many bytes.
    #[must_use]
    pub const fn new(most: usize) -> Self {
        Self { most, prefix: [0; PREFIX], prefix_read: 0, message_left: 0 }
    }

    /// How large a message may be, in bytes.
    #[must_use]
    pub const fn most(&self) -> usize {
        self.most
    }

    /// Follows the messages through a chunk, which may begin and end anywhere in one.
    ///
    /// # Errors
    /// One of them is too large; it shows before the first of its bytes.
    pub fn follow(&mut self, chunk: &[u8]) -> Result<(), TooLarge> {
        let (mut at, mut begins) = (0, 0);
        while at < chunk.len() {
            if self.message_left > 0 {
                let passed = self.message_left.min(chunk.len() - at);
                self.message_left -= passed;
                at += passed;
                continue;
            }
            if self.prefix_read == 0 {
                begins = at;
            }
            let read = (PREFIX - self.prefix_read).min(chunk.len() - at);
            self.prefix[self.prefix_read..][..read].copy_from_slice(&chunk[at..][..read]);
            self.prefix_read += read;
            at += read;
            if self.prefix_read == PREFIX {
                self.prefix_read = 0;
                let [_, length @ ..] = self.prefix;
                self.message_left = u32::from_be_bytes(length) as usize;
                if self.message_left > self.most {
                    return Err(TooLarge { bytes: self.message_left, begins });
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(sizes: &[usize]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for size in sizes {
            bytes.push(0);
            bytes.extend(u32::try_from(*size).unwrap().to_be_bytes());
            bytes.extend(vec![7; *size]);
        }
        bytes
    }

    #[test]
    fn chunks_may_begin_and_end_anywhere() {
        let bytes = messages(&[0, 10, 3]);
        for size in 1..=bytes.len() {
            let mut framing = Framing::new(10);
            assert!(bytes.chunks(size).all(|chunk| framing.follow(chunk).is_ok()), "{size}");
        }
    }

    #[test]
    fn a_message_that_is_too_large_is_told_from_those_before_it() {
        let bytes = messages(&[10, 4, 11, 2]);
        let refused = Framing::new(10).follow(&bytes).unwrap_err();
        assert_eq!(refused, TooLarge { bytes: 11, begins: 15 + 9 });
    }

    #[test]
    fn a_prefix_in_two_chunks_is_read_whole() {
        let bytes = messages(&[11]);
        let mut framing = Framing::new(10);
        assert_eq!(framing.follow(&bytes[..3]), Ok(()));
        assert_eq!(framing.follow(&bytes[3..]), Err(TooLarge { bytes: 11, begins: 0 }));
    }
}
