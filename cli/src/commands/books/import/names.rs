//! Names as library catalogues write them, as people say them.

/// `Austen, Jane, 1775-1817` is `Jane Austen`. Those who only edited, translated or drew are left out, unless there is
/// nobody else.
pub(super) fn as_people_say(written: &[String]) -> Vec<String> {
    let (authors, others): (Vec<_>, Vec<_>) =
        written.iter().map(|name| role(name)).partition(|(_, role)| !role);
    let chosen = if authors.is_empty() { others } else { authors };
    chosen.into_iter().map(|(name, _)| turned(name)).filter(|name| !name.is_empty()).collect()
}

/// The name without what is in brackets behind it, and whether anything was: `[Translator]`.
fn role(name: &str) -> (&str, bool) {
    match name.split_once('[') {
        Some((name, _)) if !name.trim().is_empty() => (name.trim(), true),
        _ => (name.trim(), false),
    }
}

fn turned(name: &str) -> String {
    let name = without_parentheses(name);
    let mut parts: Vec<_> = name.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    // Years of life, and what stands behind them.
    if let Some(dates) = parts.iter().skip(1).position(|part| part.bytes().any(|byte| byte.is_ascii_digit()))
    {
        parts.truncate(dates + 1);
    }
    match parts.as_slice() {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [last, first, titles @ ..] => {
            // Peers are written with their family name twice: `Tennyson, Alfred Tennyson, Baron`.
            let name = if first.ends_with(last) { (*first).to_owned() } else { format!("{first} {last}") };
            // Of the titles those stay without which it would be somebody else.
            match titles.iter().find(|title| ["Jr.", "Sr.", "Mrs."].contains(title)) {
                Some(&"Mrs.") => format!("Mrs. {name}"),
                Some(generation) => format!("{name} {generation}"),
                None => name,
            }
        }
    }
}

/// The full form of initials: `Kennedy, John F. (John Fitzgerald)`.
fn without_parentheses(name: &str) -> String {
    let mut depth = 0_usize;
    let mut left = String::with_capacity(name.len());
    for letter in name.chars() {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 => left.push(letter),
            _ => {}
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(names: &[&str]) -> Vec<String> {
        as_people_say(&names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn names_are_turned_and_lose_their_dates() {
        let cases = [
            ("Austen, Jane, 1775-1817", "Jane Austen"),
            ("Kennedy, John F. (John Fitzgerald), 1917-1963", "John F. Kennedy"),
            ("Aesop, 621? BCE-565? BCE", "Aesop"),
            ("Library of Congress", "Library of Congress"),
            ("Smith, Joseph, Jr., 1805-1844", "Joseph Smith Jr."),
            ("Wood, Henry, Mrs., 1814-1887", "Mrs. Henry Wood"),
            ("Tolstoy, Leo, graf, 1828-1910", "Leo Tolstoy"),
            ("Tennyson, Alfred Tennyson, Baron, 1809-1892", "Alfred Tennyson"),
            ("Augustine, Saint, Bishop of Hippo, 354-430", "Saint Augustine"),
            ("Lowell, Amy", "Amy Lowell"),
            ("Anonymous", "Anonymous"),
            ("Raymond, Eric S., 1957-", "Eric S. Raymond"),
        ];
        for (written, expected) in cases {
            assert_eq!(said(&[written]), [expected], "{written}");
        }
    }

    #[test]
    fn who_only_had_a_hand_in_it_is_no_author_unless_nobody_is() {
        let homer = ["Homer, 751? BCE-651? BCE", "Butler, Samuel, 1835-1902 [Translator]"];
        assert_eq!(said(&homer), ["Homer"]);
        assert_eq!(said(&["Untermeyer, Louis, 1885-1977 [Editor]"]), ["Louis Untermeyer"]);
    }

    #[test]
    fn what_is_no_name_is_none() {
        assert_eq!(said(&["", " , ", "(only a remark)"]), Vec::<String>::new());
    }
}
