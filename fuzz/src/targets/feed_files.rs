//! Files of feeds, by a mapping, from the command line to what inventory makes of them.

use crate::{Target, text};

pub(super) const TARGET: Target = Target {
    name: "feed-files",
    about: "files of comma-separated values and how they are mapped",
    longest: 16_384,
    run,
    examples: || {
        crate::texts(&[
            "key=id\ntitle=title\nauthors=authors:;:names\nprice=id:5.00..40.00\nstock=id:0..20\n\nid,title,authors\n1,Emma,\"Austen, Jane, 1775-1817; Brock, C. E. [Illustrator]\"\n2,Dune,Frank Herbert\n",
            "isbn=ISBN\ntitle=Title\nprice=Price\ncurrency='USD'\nauthors=Author:,\n\nISBN,Title,Price,Author\n0441172717,\"Dune, \"\"the\"\" book\n\",\"12,90\",a (b) c\n\u{feff},,,\n",
            "price=p:0.0..18446744073709551615\ntitle=t\nisbn=i\n\np,t,i\n1,2,3\n",
        ])
    },
};

/// Lines of a mapping, an empty line, and the file.
fn run(bytes: &[u8]) {
    let at = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap_or(0);
    let (map, file) = bytes.split_at(at);
    let Some(map) = text::of(map) else { return };
    let map: Vec<&str> = map.lines().collect();
    let file = file.get(2..).unwrap_or_default();
    for delimiter in [",", "tab"] {
        let Some(rows) = cli::fuzzing::read_feed(file, &map, "feed", delimiter) else { continue };
        assert!(rows.is_sorted_by(|before, after| before.number < after.number));
        for row in rows {
            super::feed_rows::holds(row);
        }
    }
}
