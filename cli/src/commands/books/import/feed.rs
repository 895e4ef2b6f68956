//! The rows of a file, one after another.

use std::{io, str::FromStr};

use csv::{ByteRecord, Reader, ReaderBuilder, StringRecord};

use crate::failure::Failure;

/// A file of comma-separated values with a heading.
pub(super) struct Feed<R> {
    reader: Reader<R>,
    columns: Vec<String>,
    only: Vec<(usize, Only)>,
    number: i64,
}

/// A row of it.
pub(super) struct Row {
    /// Of the rows below the heading, from 1.
    pub(super) number: i64,
    pub(super) record: StringRecord,
    /// Why it is not to be sent.
    pub(super) fault: Option<Fault>,
}

/// What is wrong with a row.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nobody asked for it.
    LeftOut { column: String, reason: String },
    /// It makes no sense.
    Unreadable(String),
}

/// `--only COLUMN=VALUE`.
#[derive(Clone, Debug)]
pub(super) struct Only {
    column: String,
    value: String,
}

impl FromStr for Only {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (column, value) =
            text.split_once('=').ok_or_else(|| format!("`{text}` has no `=`; write COLUMN=VALUE"))?;
        Ok(Self { column: column.to_owned(), value: value.to_owned() })
    }
}

/// `--delimiter`: one character, or `tab`.
pub(super) fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"tab" | b"\\t" => Ok(b'\t'),
        [one] if one.is_ascii() && !one.is_ascii_alphanumeric() && *one != b'"' => Ok(*one),
        _ => Err("write one character, such as `;`, or `tab`".to_owned()),
    }
}

/// `--feed`: short, since it stands before each key.
pub(super) fn name(text: &str) -> Result<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if (1..=32).contains(&text.len()) && text.bytes().all(is_plain) {
        return Ok(text.to_owned());
    }
    Err("write 1 to 32 of A-Z a-z 0-9 . _ -".to_owned())
}

impl<R: io::Read> Feed<R> {
    /// Reads the heading.
    pub(super) fn new(file: R, delimiter: u8, only: Vec<Only>) -> Result<Self, Failure> {
        let mut reader = ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(file);
        let heading = reader.byte_headers().map_err(cannot_read)?;
        let columns: Vec<String> = text(heading)
            .map_err(|_| Failure::not_possible("the file is not in UTF-8"))?
            .iter()
            .map(|column| column.trim_start_matches('\u{feff}').trim().to_owned())
            .collect();
        if columns.is_empty() {
            return Err(Failure::not_possible("the file is empty: it has not even a heading"));
        }
        let only = only
            .into_iter()
            .map(|only| {
                let column = columns.iter().position(|column| *column == only.column);
                let column = column.ok_or_else(|| {
                    let (wanted, known) = (&only.column, columns.join(", "));
                    Failure::usage(format!("--only: there is no column `{wanted}`; there are: {known}"))
                })?;
                Ok((column, only))
            })
            .collect::<Result<_, Failure>>()?;
        Ok(Self { reader, columns, only, number: 0 })
    }

    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// How many bytes of the file are read.
    pub(super) fn position(&self) -> u64 {
        self.reader.position().byte()
    }

    /// The next row; nothing at the end.
    pub(super) fn next(&mut self) -> Result<Option<Row>, Failure> {
        let mut bytes = ByteRecord::new();
        if !self.reader.read_byte_record(&mut bytes).map_err(cannot_read)? {
            return Ok(None);
        }
        self.number += 1;
        let (record, fault) = match text(&bytes) {
            Ok(record) => {
                let fault = self.fault(&record);
                (record, fault)
            }
            Err(readable) => (readable, Some(Fault::Unreadable("it is not in UTF-8".to_owned()))),
        };
        Ok(Some(Row { number: self.number, record, fault }))
    }

    fn fault(&self, record: &StringRecord) -> Option<Fault> {
        let (has, needs) = (record.len(), self.columns.len());
        if has != needs {
            return Some(Fault::Unreadable(format!("it has {has} columns, the heading has {needs}")));
        }
        self.only.iter().find_map(|(column, _)| {
            let cell = record.get(*column).unwrap_or_default();
            let mut wanted =
                self.only.iter().filter(|(other, _)| other == column).map(|(_, only)| &only.value);
            if wanted.any(|value| value == cell) {
                return None;
            }
            let column = self.columns.get(*column).cloned().unwrap_or_default();
            Some(Fault::LeftOut { column, reason: format!("left out by --only: it is `{cell}`") })
        })
    }
}

/// The text of a record; where that is none, what can be read of it.
fn text(bytes: &ByteRecord) -> Result<StringRecord, StringRecord> {
    StringRecord::from_byte_record(bytes.clone())
        .map_err(|_| bytes.iter().map(String::from_utf8_lossy).collect())
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
fn cannot_read(error: csv::Error) -> Failure {
    Failure::not_possible(format!("cannot read the file: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(file: &[u8], only: &[&str]) -> Vec<Row> {
        let only = only.iter().map(|only| only.parse().unwrap()).collect();
        let mut feed = Feed::new(file, b',', only).unwrap();
        std::iter::from_fn(|| feed.next().unwrap()).collect()
    }

    fn cells(row: &Row) -> Vec<&str> {
        row.record.iter().collect()
    }

    #[test]
    fn rows_are_numbered_below_the_heading_and_may_have_line_breaks() {
        let rows = rows(
            b"\xef\xbb\xbfid,title\n1,\"The United States\nBill of Rights\"\n\n2,Dune\r\n",
            &["id=1", "id=2"],
        );

        assert_eq!(rows.iter().map(|row| row.number).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(cells(&rows[0]), ["1", "The United States\nBill of Rights"]);
        assert!(rows.iter().all(|row| row.fault.is_none()));
    }

    #[test]
    fn a_row_that_makes_no_sense_stops_nothing() {
        let rows = rows(b"id,title\n1,2,3\n2\n3,\xff\n4,Dune\n", &[]);

        let told: Vec<_> = rows.iter().map(|row| row.fault.as_ref()).collect();
        assert_eq!(told[0], Some(&Fault::Unreadable("it has 3 columns, the heading has 2".to_owned())));
        assert_eq!(told[1], Some(&Fault::Unreadable("it has 1 columns, the heading has 2".to_owned())));
        assert_eq!(told[2], Some(&Fault::Unreadable("it is not in UTF-8".to_owned())));
        assert_eq!((told[3], cells(&rows[2])), (None, vec!["3", "\u{fffd}"]));
    }

    #[test]
    fn only_keeps_rows_that_have_one_of_the_values_in_each_column_named() {
        let file = b"kind,language\nText,en\nSound,en\nText,fr\nText,de\n";
        let rows = rows(file, &["kind=Text", "language=en", "language=de"]);

        let kept: Vec<_> = rows.iter().filter(|row| row.fault.is_none()).map(|row| row.number).collect();
        assert_eq!(kept, [1, 4]);
        let left_out = Fault::LeftOut {
            column: "kind".to_owned(),
            reason: "left out by --only: it is `Sound`".to_owned(),
        };
        assert_eq!(rows[1].fault, Some(left_out));
    }

    #[test]
    fn what_has_no_heading_or_no_such_column_is_refused() {
        let refused = |file: &'static [u8], only: &str| {
            Feed::new(file, b',', vec![only.parse().unwrap()]).err().unwrap().exit_code()
        };
        assert_eq!(refused(b"", "kind=Text"), 1);
        assert_eq!(refused(b"\xff,title\n", "kind=Text"), 1);
        assert_eq!(refused(b"id,title\n", "kind=Text"), 2);
    }

    #[test]
    fn a_feed_has_a_short_plain_name() {
        assert_eq!(name("goodbooks-10k"), Ok("goodbooks-10k".to_owned()));
        assert!(["", "a b", "a:b", &"a".repeat(33)].into_iter().all(|text| name(text).is_err()));
    }

    #[test]
    fn a_delimiter_is_one_character_or_the_word_tab() {
        assert_eq!((delimiter(";"), delimiter("tab"), delimiter("\\t")), (Ok(b';'), Ok(b'\t'), Ok(b'\t')));
        assert!(["", "ab", "a", "ü", "\""].into_iter().all(|text| delimiter(text).is_err()));
    }
}
