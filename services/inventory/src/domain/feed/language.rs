use crate::domain::LanguageCode;

/// The BCP 47 tag of a language that is named by one, or by ISO 639-2 (`eng`, `ger`, `deu`); `None` if it is none known.
pub(super) fn tag(text: &str) -> Option<LanguageCode> {
    let text = text.trim().replace('_', "-");
    let (language, others) =
        text.split_once('-').map_or((text.as_str(), None), |(first, others)| (first, Some(others)));
    let language = shortest(&language.to_ascii_lowercase())?;
    let tag = others.map_or_else(|| language.to_owned(), |others| format!("{language}-{others}"));
    tag.parse().ok()
}

/// BCP 47 wants the shortest code that a language has (RFC 5646, section 2.2.1).
fn shortest(code: &str) -> Option<&'static str> {
    let mut languages = TWO_LETTERS.iter();
    let known = languages.find(|(two, three, earlier)| code == *two || code == *three || code == *earlier);
    match known {
        Some((two, ..)) => Some(two),
        None => THREE_LETTERS.iter().copied().find(|three| *three == code),
    }
}

/// ISO 639-1 with the codes of ISO 639-2: the terminological one, and where there is another the bibliographic one.
#[rustfmt::skip]
const TWO_LETTERS: &[(&str, &str, &str)] = &[
    ("aa", "aar", ""), ("ab", "abk", ""), ("ae", "ave", ""), ("af", "afr", ""), ("ak", "aka", ""),
    ("am", "amh", ""), ("an", "arg", ""), ("ar", "ara", ""), ("as", "asm", ""), ("av", "ava", ""),
    ("ay", "aym", ""), ("az", "aze", ""), ("ba", "bak", ""), ("be", "bel", ""), ("bg", "bul", ""),
    ("bi", "bis", ""), ("bm", "bam", ""), ("bn", "ben", ""), ("bo", "bod", "tib"), ("br", "bre", ""),
    ("bs", "bos", ""), ("ca", "cat", ""), ("ce", "che", ""), ("ch", "cha", ""), ("co", "cos", ""),
    ("cr", "cre", ""), ("cs", "ces", "cze"), ("cu", "chu", ""), ("cv", "chv", ""), ("cy", "cym", "wel"),
    ("da", "dan", ""), ("de", "deu", "ger"), ("dv", "div", ""), ("dz", "dzo", ""), ("ee", "ewe", ""),
    ("el", "ell", "gre"), ("en", "eng", ""), ("eo", "epo", ""), ("es", "spa", ""), ("et", "est", ""),
    ("eu", "eus", "baq"), ("fa", "fas", "per"), ("ff", "ful", ""), ("fi", "fin", ""), ("fj", "fij", ""),
    ("fo", "fao", ""), ("fr", "fra", "fre"), ("fy", "fry", ""), ("ga", "gle", ""), ("gd", "gla", ""),
    ("gl", "glg", ""), ("gn", "grn", ""), ("gu", "guj", ""), ("gv", "glv", ""), ("ha", "hau", ""),
    ("he", "heb", ""), ("hi", "hin", ""), ("ho", "hmo", ""), ("hr", "hrv", ""), ("ht", "hat", ""),
    ("hu", "hun", ""), ("hy", "hye", "arm"), ("hz", "her", ""), ("ia", "ina", ""), ("id", "ind", ""),
    ("ie", "ile", ""), ("ig", "ibo", ""), ("ii", "iii", ""), ("ik", "ipk", ""), ("io", "ido", ""),
    ("is", "isl", "ice"), ("it", "ita", ""), ("iu", "iku", ""), ("ja", "jpn", ""), ("jv", "jav", ""),
    ("ka", "kat", "geo"), ("kg", "kon", ""), ("ki", "kik", ""), ("kj", "kua", ""), ("kk", "kaz", ""),
    ("kl", "kal", ""), ("km", "khm", ""), ("kn", "kan", ""), ("ko", "kor", ""), ("kr", "kau", ""),
    ("ks", "kas", ""), ("ku", "kur", ""), ("kv", "kom", ""), ("kw", "cor", ""), ("ky", "kir", ""),
    ("la", "lat", ""), ("lb", "ltz", ""), ("lg", "lug", ""), ("li", "lim", ""), ("ln", "lin", ""),
    ("lo", "lao", ""), ("lt", "lit", ""), ("lu", "lub", ""), ("lv", "lav", ""), ("mg", "mlg", ""),
    ("mh", "mah", ""), ("mi", "mri", "mao"), ("mk", "mkd", "mac"), ("ml", "mal", ""), ("mn", "mon", ""),
    ("mr", "mar", ""), ("ms", "msa", "may"), ("mt", "mlt", ""), ("my", "mya", "bur"), ("na", "nau", ""),
    ("nb", "nob", ""), ("nd", "nde", ""), ("ne", "nep", ""), ("ng", "ndo", ""), ("nl", "nld", "dut"),
    ("nn", "nno", ""), ("no", "nor", ""), ("nr", "nbl", ""), ("nv", "nav", ""), ("ny", "nya", ""),
    ("oc", "oci", ""), ("oj", "oji", ""), ("om", "orm", ""), ("or", "ori", ""), ("os", "oss", ""),
    ("pa", "pan", ""), ("pi", "pli", ""), ("pl", "pol", ""), ("ps", "pus", ""), ("pt", "por", ""),
    ("qu", "que", ""), ("rm", "roh", ""), ("rn", "run", ""), ("ro", "ron", "rum"), ("ru", "rus", ""),
    ("rw", "kin", ""), ("sa", "san", ""), ("sc", "srd", ""), ("sd", "snd", ""), ("se", "sme", ""),
    ("sg", "sag", ""), ("si", "sin", ""), ("sk", "slk", "slo"), ("sl", "slv", ""), ("sm", "smo", ""),
    ("sn", "sna", ""), ("so", "som", ""), ("sq", "sqi", "alb"), ("sr", "srp", ""), ("ss", "ssw", ""),
    ("st", "sot", ""), ("su", "sun", ""), ("sv", "swe", ""), ("sw", "swa", ""), ("ta", "tam", ""),
    ("te", "tel", ""), ("tg", "tgk", ""), ("th", "tha", ""), ("ti", "tir", ""), ("tk", "tuk", ""),
    ("tl", "tgl", ""), ("tn", "tsn", ""), ("to", "ton", ""), ("tr", "tur", ""), ("ts", "tso", ""),
    ("tt", "tat", ""), ("tw", "twi", ""), ("ty", "tah", ""), ("ug", "uig", ""), ("uk", "ukr", ""),
    ("ur", "urd", ""), ("uz", "uzb", ""), ("ve", "ven", ""), ("vi", "vie", ""), ("vo", "vol", ""),
    ("wa", "wln", ""), ("wo", "wol", ""), ("xh", "xho", ""), ("yi", "yid", ""), ("yo", "yor", ""),
    ("za", "zha", ""), ("zh", "zho", "chi"), ("zu", "zul", ""),
];

/// Languages of ISO 639-2 that have no code of two letters and that shops have books in.
#[rustfmt::skip]
const THREE_LETTERS: &[&str] = &[
    "akk", "ang", "arc", "arn", "ast", "ban", "ceb", "chr", "cop", "dsb", "egy", "enm", "fil", "frm", "fro", "fur",
    "gmh", "goh", "got", "grc", "gsw", "haw", "hil", "hsb", "ilo", "lad", "mai", "mga", "nah", "nap", "nds", "new",
    "non", "ota", "peo", "phn", "pro", "rom", "sah", "scn", "sco", "sga", "sux", "syc", "syr", "tpi", "uga", "war",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_name_of_a_language_is_its_shortest() {
        for (text, expected) in [
            ("en", "en"),
            ("EN", "en"),
            ("eng", "en"),
            ("ger", "de"),
            ("deu", "de"),
            ("fre", "fr"),
            ("per", "fa"),
            ("rum", "ro"),
            ("chi", "zh"),
            (" en-US ", "en-US"),
            ("en_GB", "en-GB"),
            ("eng-CA", "en-CA"),
            ("zh-Hant-TW", "zh-Hant-TW"),
            ("fil", "fil"),
            ("grc", "grc"),
        ] {
            assert_eq!(tag(text).as_ref().map(LanguageCode::as_str), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_names_no_single_language_is_none() {
        for text in ["english", "de; en", "xx", "mul", "und", "e", "en-", "en-toolongsubtag", "-", "٣"] {
            assert_eq!(tag(text), None, "{text}");
        }
    }

    #[test]
    fn no_code_names_two_languages() {
        let codes = TWO_LETTERS.iter().flat_map(|(two, three, earlier)| [*two, *three, *earlier]);
        let codes: Vec<&str> =
            codes.chain(THREE_LETTERS.iter().copied()).filter(|code| !code.is_empty()).collect();
        assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), codes.len());
        assert_eq!(TWO_LETTERS.iter().filter(|(.., earlier)| !earlier.is_empty()).count(), 20);
        let fits =
            |code: &str, letters| code.len() == letters && code.bytes().all(|byte| byte.is_ascii_lowercase());
        assert!(TWO_LETTERS.iter().all(|(two, three, _)| fits(two, 2) && fits(three, 3)));
    }
}
