//! What is somebody's alone, as it would look in an answer.

use prost::Message;

/// Bytes that stand in no answer but those to whose they are.
pub(crate) struct Secret {
    /// What they are.
    pub(crate) what: &'static str,
    bytes: Vec<u8>,
}

impl Secret {
    pub(crate) fn text(what: &'static str, text: &str) -> Self {
        Self { what, bytes: text.as_bytes().to_vec() }
    }

    pub(crate) fn message(what: &'static str, message: &impl Message) -> Self {
        Self { what, bytes: message.encode_to_vec() }
    }

    pub(crate) fn is_in(&self, text: &[u8]) -> bool {
        text.windows(self.bytes.len()).any(|window| window == self.bytes)
    }
}
