/// A mail as a mail server took it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Who sent it, as the envelope says.
    pub sender: String,
    /// Whom it is for, as the envelope says.
    pub recipients: Vec<String>,
    /// Headers and body, as they were sent, lines ended by CR LF.
    pub source: String,
}

impl Letter {
    /// What a header says, folded lines made one (RFC 5322, section 2.2.3).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let (headers, _) = self.parts();
        let mut lines = headers.split("\r\n");
        let first = lines.by_ref().find_map(|line| {
            let (header, value) = line.split_once(':')?;
            header.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })?;
        let folded = lines.take_while(|line| line.starts_with([' ', '\t']));
        Some(folded.fold(first, |value, line| format!("{value} {}", line.trim())))
    }

    /// The text, as people read it: quoted-printable (RFC 2045, section 6.7) is undone.
    #[must_use]
    pub fn text(&self) -> String {
        let (_, body) = self.parts();
        if self.header("Content-Transfer-Encoding").is_none_or(|encoding| encoding != "quoted-printable") {
            return body.replace("\r\n", "\n");
        }
        let body = body.replace("=\r\n", "").replace("\r\n", "\n");
        let mut text = Vec::with_capacity(body.len());
        let mut rest = body.as_bytes();
        while let Some((&first, after)) = rest.split_first() {
            rest = after;
            let octet = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
            match octet.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                Some(octet) if first == b'=' => {
                    text.push(octet);
                    rest = &after[2..];
                }
                _ => text.push(first),
            }
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    fn parts(&self) -> (&str, &str) {
        self.source.split_once("\r\n\r\n").unwrap_or((&self.source, ""))
    }
}
