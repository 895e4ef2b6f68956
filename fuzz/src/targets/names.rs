//! Request ids, e-mail addresses, countries, and texts for people.

use values::{CountryCode, EmailAddress, RequestId};

use crate::{Target, text};

pub(super) const TARGET: Target = Target {
    name: "names",
    about: "request ids, e-mail addresses, countries and lines of text",
    longest: 4096,
    run,
    examples: || {
        crate::texts(&[
            "3f1c9a52-4c1e-4b8e-9f6a-0d7e5a2b9c11",
            "checkout:42.retry_1",
            "grace@example.com",
            "  Grace.Hopper+books@mail.example.co.uk ",
            "\"much.more unusual\"@example.com",
            "用户@例子.广告",
            "a@[127.0.0.1]",
            "Grace <grace@example.com>",
            "DE",
            "Žluťoučký kůň",
            "tab\tand\u{7f}",
        ])
    },
};

fn run(bytes: &[u8]) {
    let Some(text) = text::of(bytes) else { return };
    if let Some(id) = text::round_trip_with_json::<RequestId>(text) {
        assert_eq!(id.as_str(), text);
        assert!(id.as_str().is_ascii() && id.as_str().len() <= RequestId::MAX_CHARACTERS);
    }
    if let Some(country) = text::round_trip_with_json::<CountryCode>(text) {
        assert_eq!(country.as_str(), text);
    }
    if let Some(address) = text::round_trip_with_json::<EmailAddress>(text) {
        let shown = address.as_str();
        assert!(shown.chars().count() <= EmailAddress::MAX_CHARACTERS);
        // What would end a line of SMTP or of a mail's head, and what Postgres doesn't keep.
        assert!(!shown.contains(|letter: char| letter.is_control() || letter.is_whitespace()), "{shown:?}");
        assert!(!format!("{address:?}").contains(shown), "an address is personal data");
        let canonical = address.canonical();
        let again: Result<EmailAddress, _> = canonical.parse();
        assert!(again.is_ok_and(|again| again.canonical() == canonical), "{shown:?} has no canonical form");
    }
    if let Ok(line) = values::text(text, 1..=100) {
        assert!((1..=100).contains(&line.chars().count()));
        assert!(!line.contains(char::is_control));
        assert_eq!(values::text(&line, 1..=100).as_ref(), Ok(&line));
    }
}
