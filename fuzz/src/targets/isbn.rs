//! ISBNs as people type them, and as feeds have spoilt them.

use values::Isbn;

use crate::{Target, text};

pub(super) const TARGET: Target = Target {
    name: "isbn",
    about: "ISBNs, typed and to be repaired",
    longest: 256,
    run,
    examples: || {
        crate::texts(&[
            "9780441172719",
            "978-0-441-17271-9",
            "0441172717",
            "080442957X",
            "ISBN-13: 978–0–441–17271–9",
            "isbn 10 0-8044-2957-X",
            "441172717",
            "9.78043902348e+12",
            "9,78E12",
            "0000000000",
            "9790000000001",
            "4006381333931",
        ])
    },
};

fn run(bytes: &[u8]) {
    let Some(text) = text::of(bytes) else { return };
    let typed = text::round_trip_with_json::<Isbn>(text);
    let repaired = Isbn::repair(text).ok();
    for isbn in typed.into_iter().chain(repaired) {
        let digits = isbn.to_string();
        assert!(digits.len() == 13 && digits.bytes().all(|digit| digit.is_ascii_digit()), "{digits}");
        assert!(digits.starts_with("978") || digits.starts_with("979"), "{digits}");
        let weighted: u32 = (digits.bytes().zip([1, 3].into_iter().cycle()))
            .map(|(digit, by)| u32::from(digit - b'0') * by)
            .sum();
        assert_eq!(weighted % 10, 0, "{digits} has a wrong check digit");
        assert_eq!(Isbn::repair(&digits), Ok(isbn), "what is right needs no repair");
    }
    if let (Some(typed), Some(repaired)) = (typed, repaired) {
        assert_eq!(typed, repaired, "{text:?} was right, and became another");
    }
    if repaired.is_some() {
        // No digit is made up but zeros in front.
        let digits = text.bytes().filter(|byte| byte.is_ascii_digit() || b"Xx".contains(byte)).count();
        assert!(digits >= 7, "{text:?} proves nothing");
    }
}
