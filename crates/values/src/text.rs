use std::ops::RangeInclusive;

/// The text can't be taken as it is.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TextError {
    /// More or fewer characters than asked for, white space around the text not counted.
    #[error("must have {} to {} characters", .0.start(), .0.end())]
    Length(RangeInclusive<usize>),
    /// A character that can't be shown: a line break, a tab, an escape.
    #[error("must not contain control characters")]
    ControlCharacter,
}

/// One line of text for people, without the white space around it.
///
/// `chars` counts Unicode scalar values of what is left.
///
/// # Errors
/// Too short, too long, or with control characters in it.
pub fn text(value: &str, chars: RangeInclusive<usize>) -> Result<String, TextError> {
    let trimmed = value.trim();
    if !chars.contains(&trimmed.chars().count()) {
        return Err(TextError::Length(chars));
    }
    if trimmed.chars().any(char::is_control) {
        return Err(TextError::ControlCharacter);
    }
    Ok(trimmed.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_trimmed_and_counted_in_characters() {
        assert_eq!(text("  Größe \n", 5..=5), Ok("Größe".to_owned()));
        assert_eq!(text("   ", 1..=3), Err(TextError::Length(1..=3)));
        assert_eq!(text("", 0..=3), Ok(String::new()));
        assert_eq!(text("four", 1..=3), Err(TextError::Length(1..=3)));
        assert_eq!(text("a\u{1b}b", 1..=3), Err(TextError::ControlCharacter));
    }

    #[test]
    fn errors_say_what_to_do() {
        assert_eq!(TextError::Length(1..=100).to_string(), "must have 1 to 100 characters");
    }
}
