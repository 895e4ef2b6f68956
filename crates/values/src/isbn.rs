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
}

impl FromStr for Isbn {
    type Err = IsbnError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let characters: Vec<char> =
            text.chars().filter(|char| *char != '-' && !char.is_whitespace()).collect();
        match characters.len() {
            10 => Self::from_isbn_10(&characters),
            13 => Self::from_isbn_13(&characters),
            _ => Err(IsbnError::Length),
        }
    }
}

impl Isbn {
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
        fn no_text_panics(text in "\\PC{0,20}") {
            let _ = text.parse::<Isbn>();
        }
    }
}
