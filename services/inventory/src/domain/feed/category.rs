use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

use crate::domain::{Categories, Category};

/// The first ten categories that can be made of what a feed says.
pub(super) fn categories(texts: &[String]) -> Categories {
    let mut found: Vec<Category> = Vec::new();
    for category in texts.iter().filter_map(|text| slug(text).parse().ok()) {
        if !found.contains(&category) {
            found.push(category);
        }
        if found.len() == Categories::MAX {
            break;
        }
    }
    Categories::new(found).unwrap_or_default()
}

/// Lower-case words joined by hyphens, without accents, as many as fit; empty where there are none.
fn slug(text: &str) -> String {
    // Nobody's category is longer, and a feed may say anything.
    let plain: String =
        text.nfkd().take(1_000).filter(|&char| !is_combining_mark(char)).flat_map(plain).collect();
    let mut slug = String::new();
    for word in plain.split('-').filter(|word| !word.is_empty()) {
        if slug.is_empty() {
            slug.extend(word.chars().take(Category::MAX_CHARACTERS));
        } else if slug.len() + 1 + word.len() <= Category::MAX_CHARACTERS {
            slug.push('-');
            slug.push_str(word);
        } else {
            break;
        }
    }
    slug
}

/// A letter in `a-z0-9`, or a hyphen for what parts words. An apostrophe parts none.
fn plain(character: char) -> impl Iterator<Item = char> {
    let letters = match character.to_lowercase().next().unwrap_or(character) {
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'ø' => "o",
        'ł' => "l",
        'đ' | 'ð' => "d",
        'þ' => "th",
        '\'' | '\u{2019}' => "",
        lower if lower.is_ascii_alphanumeric() => return Some(lower).into_iter().chain("".chars()),
        _ => "-",
    };
    None.into_iter().chain(letters.chars())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_feed_calls_it_becomes_words_joined_by_hyphens() {
        for (text, expected) in [
            ("Science Fiction", "science-fiction"),
            ("Browsing: History - American", "browsing-history-american"),
            ("Children's literature", "childrens-literature"),
            ("Œuvres d\u{2019}été", "oeuvres-dete"),
            ("Märchen & Größe", "marchen-grosse"),
            (
                "United States -- History -- Revolution, 1775-1783 -- Sources",
                "united-states-history-revolution-1775-1783-sources",
            ),
            (
                "History -- Revolution, 1775-1783 -- Sources and more",
                "history-revolution-1775-1783-sources-and-more",
            ),
            ("Конституция", ""),
            (" -- ", ""),
        ] {
            assert_eq!(slug(text), expected, "{text}");
        }
        assert_eq!(slug(&"x".repeat(70)), "x".repeat(50));
        assert_eq!(slug(&format!("{} more", "x".repeat(48))), "x".repeat(48));
    }

    #[test]
    fn the_first_ten_count_and_none_twice() {
        let texts: Vec<_> =
            ["b", "B", "a"].into_iter().map(str::to_owned).chain((0..20).map(|n| format!("c{n}"))).collect();
        let names = categories(&texts);
        assert_eq!(names.names(), ["a", "b", "c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7"]);
    }

    proptest! {
        #[test]
        fn every_text_is_a_category_or_none(text in "\\PC{0,80}") {
            let slug = slug(&text);
            prop_assert!(slug.is_empty() || slug.parse::<Category>().is_ok(), "{slug}");
        }
    }
}
