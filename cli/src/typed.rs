//! The command that was typed, so that a message can say exactly what to type next.

use std::env;

/// The command of this process with an option of this value, in place of an earlier one.
pub(crate) fn again_with(option: &str, value: &str) -> String {
    let words = env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    with(words, option, value)
}

/// Like [`again_with`], with `-` for a word that is to be seen no more often than it must: it comes from standard input.
pub(crate) fn again_without(secret: &str, option: &str, value: &str) -> String {
    let words = env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    with(hiding(words, secret), option, value)
}

/// The command of this process, for what may be repeated as it is.
pub(crate) fn again() -> String {
    let words = env::args_os().skip(1).map(|word| quoted(&word.to_string_lossy()));
    ["bookstore".to_owned()].into_iter().chain(words).collect::<Vec<_>>().join(" ")
}

fn hiding(words: impl Iterator<Item = String>, secret: &str) -> impl Iterator<Item = String> {
    words.map(move |word| if word == secret { "-".to_owned() } else { word })
}

fn with(words: impl IntoIterator<Item = String>, option: &str, value: &str) -> String {
    let mut words = words.into_iter();
    let mut command = vec!["bookstore".to_owned()];
    let mut rest = Vec::new();
    while let Some(word) = words.next() {
        if word == "--" {
            // Nothing behind it is an option.
            rest.push(word);
            rest.extend(words.by_ref().map(|word| quoted(&word)));
        } else if word == option {
            words.next();
        } else if word.strip_prefix(option).is_none_or(|value| !value.starts_with('=')) {
            command.push(quoted(&word));
        }
    }
    command.extend([option.to_owned(), quoted(value)]);
    command.append(&mut rest);
    command.join(" ")
}

/// A word as a shell reads it back.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_=.,:/@%+".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(words: &[&str], option: &str, value: &str) -> String {
        with(words.iter().map(|&word| word.to_owned()), option, value)
    }

    #[test]
    fn what_narrowed_the_list_stays_in_the_command_that_goes_on() {
        assert_eq!(
            typed(&["books", "list", "--category", "poetry", "--limit=5"], "--page", "t2"),
            "bookstore books list --category poetry --limit=5 --page t2"
        );
    }

    #[test]
    fn an_earlier_value_gives_way() {
        for earlier in [&["--page", "t1"][..], &["--page=t1"]] {
            let words = [&["wallet", "entries"][..], earlier, &["--currency", "USD"]].concat();
            assert_eq!(typed(&words, "--page", "t2"), "bookstore wallet entries --currency USD --page t2");
        }
    }

    #[test]
    fn an_option_is_told_before_the_words_that_are_none() {
        assert_eq!(
            typed(&["wallet", "top-up", "--", "5", "--request-id"], "--request-id", "r-1"),
            "bookstore wallet top-up --request-id r-1 -- 5 --request-id"
        );
    }

    #[test]
    fn a_secret_is_not_told_again() {
        let words = ["card", "add", "tok_1", "--output=json"].map(str::to_owned).into_iter();

        let command = with(hiding(words, "tok_1"), "--request-id", "r-1");

        assert_eq!(command, "bookstore card add - --output=json --request-id r-1");
    }

    #[test]
    fn a_shell_reads_back_what_was_typed() {
        assert_eq!(quoted("ada+books@example.com"), "ada+books@example.com");
        assert_eq!(quoted("Ada's shop"), r"'Ada'\''s shop'");
        assert_eq!(quoted(""), "''");
    }
}
