//! Files of rows that were refused, for people to mend.

use std::{
    fs,
    path::{Path, PathBuf},
};

use csv::{StringRecord, Writer, WriterBuilder};

use crate::failure::Failure;

/// A file of rows and what is wrong with them.
pub(super) struct Rejects {
    writer: Writer<fs::File>,
    path: PathBuf,
}

impl Rejects {
    /// Begins with a heading: the file's own columns behind ours.
    pub(super) fn create(path: &Path, columns: &[String]) -> Result<Self, Failure> {
        let file = fs::File::create(path).map_err(|error| cannot_write(path, &error))?;
        // A row that is too short or too long is among those to be told.
        let writer = WriterBuilder::new().flexible(true).from_writer(file);
        let mut rejects = Self { writer, path: path.to_owned() };
        let heading = ["number", "field", "reason"].into_iter().chain(columns.iter().map(String::as_str));
        rejects.write(heading)?;
        Ok(rejects)
    }

    pub(super) fn add(
        &mut self,
        number: i64,
        field: &str,
        reason: &str,
        record: &StringRecord,
    ) -> Result<(), Failure> {
        let number = number.to_string();
        self.write([number.as_str(), field, reason].into_iter().chain(record))
    }

    fn write<'a>(&mut self, mut cells: impl Iterator<Item = &'a str>) -> Result<(), Failure> {
        let written = cells.try_for_each(|cell| self.writer.write_field(cell));
        written
            .and_then(|()| self.writer.write_record(None::<&[u8]>))
            .map_err(|error| cannot_write(&self.path, &error))
    }

    /// What is told so far is there even if the import breaks off.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        self.writer.flush().map_err(|error| cannot_write(&self.path, &error))
    }
}

fn cannot_write(path: &Path, error: &dyn std::error::Error) -> Failure {
    Failure::not_possible(format!("cannot write {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_told_with_what_is_wrong_and_all_that_it_had() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rejects.csv");
        let mut rejects = Rejects::create(&path, &["id".to_owned(), "title".to_owned()]).unwrap();

        rejects.add(3, "price", "is \"no\" price", &StringRecord::from(vec!["7", "Dune,\nagain"])).unwrap();
        rejects.add(4, "", "it has 1 columns, the heading has 2", &StringRecord::from(vec!["8"])).unwrap();
        rejects.flush().unwrap();

        let told = fs::read_to_string(&path).unwrap();
        assert_eq!(
            told,
            "number,field,reason,id,title\n\
             3,price,\"is \"\"no\"\" price\",7,\"Dune,\nagain\"\n\
             4,,\"it has 1 columns, the heading has 2\",8\n"
        );
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let failure = Rejects::create(folder.path(), &[]).err().unwrap();
        assert!(failure.to_string().starts_with("cannot write "), "{failure}");
    }
}
