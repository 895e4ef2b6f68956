use std::fmt;
use std::str::FromStr;

use crate::serde_text::serde_as_text;

/// An International Standard Book Number (ISO 2108), always in its form of 13 digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Isbn([u8; 13]);

/// Why a text is no ISBN.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum IsbnError {
    /// Neither 10 nor 13 digits once hyphens and blanks are taken out.
    #[error("must be an ISBN of 10 or 13 digits")]
    Length,
    /// A character that is neither a digit nor, at the end of an ISBN-10, X.
    #[error("must be made of digits, hyphens and blanks, an ISBN-10 possibly ending in X")]
    Character,
    /// 13 digits of some other article.
    #[error("must start with 978 or 979")]
    Prefix,
    /// The last digit doesn't fit the others: most likely a typing mistake.
    #[error("has a wrong check digit")]
    CheckDigit,
    /// A spreadsheet made a float of it: `9.78043902348e+12`.
    #[error("was rounded to a number, its last digits are lost")]
    Rounded,
    /// One digit all the way: fits its check digit and is nobody's.
    #[error("is a placeholder")]
    Placeholder,
}

impl FromStr for Isbn {
    type Err = IsbnError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let characters: Vec<char> =
            text.chars().filter(|char| *char != '-' && !char.is_whitespace()).collect();
        Self::from_characters(&characters)
    }
}

/// The fewest digits that may be an ISBN-10 without its zeros: with more zeros to put back, every eleventh number at all
/// would be one.
const SHORTEST_NUMBER: usize = 7;

impl Isbn {
    /// Reads an ISBN as feeds have it: behind `ISBN`, with any dashes, or as a number that lost its leading zeros.
    ///
    /// Zeros are put back in front of 7 to 9 digits, where the check digit of the ISBN-10 then proves them right. No digit
    /// is ever changed or made up.
    ///
    /// # Errors
    /// Nothing proves it an ISBN.
    pub fn repair(text: &str) -> Result<Self, IsbnError> {
        let text = without_label(text.trim());
        if is_float(text) {
            return Err(IsbnError::Rounded);
        }
        let mut characters: Vec<char> =
            text.chars().filter(|&char| !is_dash(char) && !char.is_whitespace()).collect();
        if let [first, others @ ..] = characters.as_slice()
            && first.is_ascii_digit()
            && others.iter().all(|other| other == first)
        {
            return Err(IsbnError::Placeholder);
        }
        if (SHORTEST_NUMBER..10).contains(&characters.len()) {
            let lost = 10 - characters.len();
            characters.splice(..0, std::iter::repeat_n('0', lost));
        }
        Self::from_characters(&characters)
    }

    fn from_characters(characters: &[char]) -> Result<Self, IsbnError> {
        match characters.len() {
            10 => Self::from_isbn_10(characters),
            13 => Self::from_isbn_13(characters),
            _ => Err(IsbnError::Length),
        }
    }

    fn from_isbn_13(characters: &[char]) -> Result<Self, IsbnError> {
        let mut digits = [0; 13];
        for (digit, character) in digits.iter_mut().zip(characters) {
            *digit = decimal(*character)?;
        }
        if !matches!(digits, [9, 7, 8 | 9, ..]) {
            return Err(IsbnError::Prefix);
        }
        if digits[12] != check_digit(&digits) {
            return Err(IsbnError::CheckDigit);
        }
        Ok(Self(digits))
    }

    fn from_isbn_10(characters: &[char]) -> Result<Self, IsbnError> {
        let mut digits = [9, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let mut weighted = 0;
        for (index, character) in characters.iter().enumerate() {
            let is_last = index == 9;
            let value = if is_last && matches!(character, 'X' | 'x') { 10 } else { decimal(*character)? };
            weighted += (10 - index) * usize::from(value);
            if !is_last {
                digits[3 + index] = value;
            }
        }
        if weighted % 11 != 0 {
            return Err(IsbnError::CheckDigit);
        }
        digits[12] = check_digit(&digits);
        Ok(Self(digits))
    }
}

/// `ISBN`, `ISBN-10:`, `isbn13` and the like taken off.
fn without_label(text: &str) -> &str {
    let Some((label, number)) = text.split_at_checked(4) else { return text };
    if !label.eq_ignore_ascii_case("isbn") {
        return text;
    }
    let number = number.trim_start_matches(is_label_end);
    // The kind, not the first digits: something parts it from the number.
    let kind = number.strip_prefix("10").or_else(|| number.strip_prefix("13"));
    kind.filter(|rest| rest.starts_with([':', ' '])).unwrap_or(number).trim_start_matches(is_label_end)
}

fn is_label_end(character: char) -> bool {
    character == ':' || is_dash(character) || character.is_whitespace()
}

/// `9.78043902348e+12`, `9,78E12`.
fn is_float(text: &str) -> bool {
    text.split_once(['e', 'E']).is_some_and(|(mantissa, exponent)| {
        let exponent = exponent.strip_prefix('+').unwrap_or(exponent);
        !mantissa.is_empty()
            && mantissa.chars().all(|char| char.is_ascii_digit() || matches!(char, '.' | ','))
            && !exponent.is_empty()
            && exponent.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// A hyphen, or what a typesetter makes of one.
const fn is_dash(character: char) -> bool {
    matches!(character, '-' | '\u{ad}' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

fn decimal(character: char) -> Result<u8, IsbnError> {
    match character {
        '0'..='9' => Ok(character as u8 - b'0'),
        _ => Err(IsbnError::Character),
    }
}

/// Of the first twelve digits, weighted 1 and 3 in turn (ISO 2108, annex C).
fn check_digit(digits: &[u8; 13]) -> u8 {
    let sum: u8 = digits[..12]
        .iter()
        .enumerate()
        .map(|(index, digit)| if index % 2 == 0 { *digit } else { digit * 3 })
        .sum();
    (10 - sum % 10) % 10
}

impl fmt::Display for Isbn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|digit| write!(formatter, "{digit}"))
    }
}

impl fmt::Debug for Isbn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Isbn({self})")
    }
}

serde_as_text!(Isbn);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn all_spellings_of_one_isbn_are_one() {
        for text in ["0-306-40615-2", "0306406152", "978-0-306-40615-7", "9780306406157", " 978 0306 406157 "]
        {
            assert_eq!(
                text.parse::<Isbn>().map(|isbn| isbn.to_string()),
                Ok("9780306406157".to_owned()),
                "{text}"
            );
        }
        let with_x: Isbn = "0-8044-2957-X".parse().unwrap();
        assert_eq!("080442957x".parse(), Ok(with_x));
        assert_eq!(with_x.to_string(), "9780804429573");
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, error) in [
            ("", IsbnError::Length),
            ("978030640615", IsbnError::Length),
            ("97803064061577", IsbnError::Length),
            ("978030640615X", IsbnError::Character),
            ("X306406152", IsbnError::Character),
            ("٩٧٨٠٣٠٦٤٠٦١٥٧", IsbnError::Character),
            ("4006381333931", IsbnError::Prefix),
            ("9780306406158", IsbnError::CheckDigit),
            ("0306406153", IsbnError::CheckDigit),
        ] {
            assert_eq!(text.parse::<Isbn>(), Err(error), "{text}");
        }
    }

    #[test]
    fn what_feeds_make_of_an_isbn_is_repaired() {
        for text in [
            "ISBN 0-439-02348-3",
            "isbn-10: 0439023483",
            "ISBN-13: 978-0-439-02348-1",
            "ISBN13 978 0 439 02348 1",
            "ISBN978-0-439-02348-1",
            "ISBN:9780439023481",
            "978\u{2013}0\u{2011}439\u{2010}02348\u{2212}1",
            "439023483",
            " 0439023483\t",
        ] {
            assert_eq!(
                Isbn::repair(text).map(|isbn| isbn.to_string()),
                Ok("9780439023481".to_owned()),
                "{text}"
            );
        }
        // Zeros in front of an X at the end.
        assert_eq!(Isbn::repair("649904x"), "000649904X".parse());
    }

    #[test]
    fn what_nothing_proves_is_not_repaired() {
        for (text, error) in [
            ("9.78043902348e+12", IsbnError::Rounded),
            ("9,78043902348E12", IsbnError::Rounded),
            ("9780439023480", IsbnError::CheckDigit),
            ("439023484", IsbnError::CheckDigit),
            ("0000000000", IsbnError::Placeholder),
            ("1111111", IsbnError::Placeholder),
            ("023483", IsbnError::Length),
            ("43902348.3", IsbnError::Character),
            ("ISBN", IsbnError::Length),
            ("", IsbnError::Length),
            ("n/a", IsbnError::Length),
            ("4006381333931", IsbnError::Prefix),
        ] {
            assert_eq!(Isbn::repair(text), Err(error), "{text}");
        }
    }

    /// Nine digits with the check digit that makes them an ISBN-10 (ISO 2108:1992).
    fn isbn_10(body: [u8; 9]) -> String {
        let weighted: usize =
            body.iter().enumerate().map(|(index, digit)| (10 - index) * usize::from(*digit)).sum();
        let check = match (11 - weighted % 11) % 11 {
            10 => "X".to_owned(),
            digit => digit.to_string(),
        };
        body.iter().map(ToString::to_string).chain([check]).collect()
    }

    fn any_isbn_10() -> impl Strategy<Value = String> {
        prop::array::uniform9(0_u8..10)
            .prop_filter("no placeholder", |body| body.iter().any(|digit| *digit != body[0]))
            .prop_map(isbn_10)
    }

    fn any_isbn() -> impl Strategy<Value = Isbn> {
        (8_u8..=9, prop::array::uniform9(0_u8..10)).prop_map(|(prefix, body)| {
            let mut digits = [9, 7, prefix, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            digits[3..12].copy_from_slice(&body);
            digits[12] = check_digit(&digits);
            Isbn(digits)
        })
    }

    proptest! {
        #[test]
        fn every_isbn_survives_being_written(isbn in any_isbn()) {
            prop_assert_eq!(isbn.to_string().parse(), Ok(isbn));
            let json = serde_json::to_string(&isbn).unwrap();
            prop_assert_eq!(serde_json::from_str::<Isbn>(&json).unwrap(), isbn);
        }

        #[test]
        fn one_wrong_digit_is_always_noticed(isbn in any_isbn(), place in 3_usize..13, shift in 1_u8..10) {
            let mut wrong = isbn.0;
            wrong[place] = (wrong[place] + shift) % 10;
            prop_assert_eq!(Isbn(wrong).to_string().parse::<Isbn>(), Err(IsbnError::CheckDigit));
        }

        #[test]
        fn hyphens_and_blanks_never_matter(isbn in any_isbn(), place in 0_usize..13, separator in "[- ]{1,3}") {
            let mut text = isbn.to_string();
            text.insert_str(place, &separator);
            prop_assert_eq!(text.parse(), Ok(isbn));
        }

        #[test]
        fn an_isbn_10_becomes_the_isbn_13_of_the_same_digits_and_back(text in any_isbn_10()) {
            let isbn: Isbn = text.parse().unwrap();
            let thirteen = isbn.to_string();
            prop_assert_eq!(&thirteen[..3], "978");
            prop_assert_eq!(&thirteen[3..12], &text[..9]);
            prop_assert_eq!(thirteen.parse(), Ok(isbn));
            let body: Vec<u8> = thirteen[3..12].bytes().map(|byte| byte - b'0').collect();
            prop_assert_eq!(isbn_10(body.try_into().unwrap()), text);
        }

        #[test]
        fn one_wrong_digit_of_an_isbn_10_is_always_noticed(
            text in any_isbn_10(), place in 0_usize..9, shift in 1_u8..10,
        ) {
            let mut wrong = text.into_bytes();
            wrong[place] = b'0' + (wrong[place] - b'0' + shift) % 10;
            let wrong = String::from_utf8(wrong).unwrap();
            prop_assert_eq!(wrong.parse::<Isbn>(), Err(IsbnError::CheckDigit));
            prop_assert_eq!(Isbn::repair(&wrong).ok(), None);
        }

        #[test]
        fn two_swapped_digits_of_an_isbn_10_are_always_noticed(
            text in any_isbn_10(), one in 0_usize..9, other in 0_usize..9,
        ) {
            let mut swapped = text.clone().into_bytes();
            swapped.swap(one, other);
            let swapped = String::from_utf8(swapped).unwrap();
            prop_assert_eq!(swapped.parse::<Isbn>().is_ok(), swapped == text);
        }

        /// Five apart they weigh the same, a weakness of the ISBN-13 itself.
        #[test]
        fn two_swapped_neighbours_are_noticed_unless_they_are_five_apart(isbn in any_isbn(), place in 3_usize..12) {
            let mut swapped = isbn.0;
            swapped.swap(place, place + 1);
            let apart = isbn.0[place].abs_diff(isbn.0[place + 1]);
            prop_assert_eq!(Isbn(swapped).to_string().parse::<Isbn>().is_ok(), apart == 0 || apart == 5);
        }

        #[test]
        fn zeros_come_back_and_nothing_else_does(text in any_isbn_10(), label in "(ISBN(-10)?:? )?") {
            let bare = text.trim_start_matches('0');
            let repaired = Isbn::repair(&format!("{label}{bare}"));
            if bare.len() >= SHORTEST_NUMBER {
                prop_assert_eq!(repaired, text.parse());
            } else {
                prop_assert!(repaired.is_err());
            }
        }

        /// But for the check digit, which the form of 13 digits has anew.
        #[test]
        fn repair_keeps_every_digit(text in "[0-9]{7,13}|[0-9]{6,9}X") {
            if let Ok(isbn) = Isbn::repair(&text) {
                let thirteen = isbn.to_string();
                let kept = if text.len() == 13 { text.clone() } else { text[..text.len() - 1].to_owned() };
                let body = if text.len() == 13 { thirteen } else { thirteen[3..12].to_owned() };
                prop_assert_eq!(body.trim_start_matches('0'), kept.trim_start_matches('0'));
            }
        }

        #[test]
        fn what_is_an_isbn_needs_no_repair(isbn in any_isbn()) {
            prop_assert_eq!(Isbn::repair(&isbn.to_string()), Ok(isbn));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,20}") {
            let _ = text.parse::<Isbn>();
            let _ = Isbn::repair(&text);
            let _ = Isbn::repair(&format!("ISBN{text}"));
        }
    }
}
