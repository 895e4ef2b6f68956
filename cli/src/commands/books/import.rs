//! `books import`.

mod computed;
mod feed;
mod mapping;
mod names;
mod rejects;
mod send;
mod told;

use std::{fs::File, io, path::PathBuf, time::Instant};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use proto::inventory::v1::{CatalogueRow, RowReport};
use uuid::Uuid;

use crate::{commands::shop, failure::Failure, gateway::Gateway, output::Output, session::Session};
use feed::{Feed, Only, Row};
use mapping::{Mapping, Wish};
use rejects::Rejects;
use send::Target;
use told::Told;

/// Rows of a call: the shop names at most a thousand refused rows and as many notices, and a row may have several.
const ROWS: usize = 500;
/// Rows that are held at most, those among them that are not sent.
const HELD: usize = 4 * ROWS;

#[derive(Args)]
// Paragraphs are a line each: they are wrapped to the terminal's width.
#[command(after_long_help = "\
--map FIELD=SOURCE says where each thing comes from. The fields: key (the feed's own of a book), isbn, title, authors, \
publisher, year, language, description, categories, price, currency, stock. The sources:
  COLUMN             what the column holds
  'TEXT'             the same for every row
  COLUMN:SEPARATOR   several in one column: authors=authors:,
                     of what can be one only, the first
  COLUMN:;:names     authors as library catalogues write them:
                     'Austen, Jane, 1775-1817' is Jane Austen
  COLUMN:LOW..HIGH   a price or a stock that the file lacks, computed from a column
                     that it has, the same every time: price=id:5.00..40.00

Several sources for one field: lists take them all, others the first that says something.

A row is the book with the same ISBN, or else the same key of the same --feed; the same file again changes nothing. A row \
that makes no sense is refused with the reason, and stops nothing. An import that broke off is finished by running it \
again.

Examples:
  bookstore books import feed.csv --map isbn=ISBN --map title=Title \\
    --map 'authors=Author:;' --map price=Price --map stock=Stock --rejects rejects.csv
  bookstore books import feed.csv --feed wholesaler --map key=id --map title=name \\
    --map price=id:5.00..40.00 --only kind=book --dry-run")]
pub(crate) struct Import {
    /// A file of comma-separated values in UTF-8, with a heading; - for standard input
    file: PathBuf,
    /// Your shop, shp_…; the only one that you work in if not given
    #[arg(long)]
    shop: Option<String>,
    /// Where the copies lie, loc_…; the shop's first location if not given
    #[arg(long, default_value = "")]
    location: String,
    /// Where a field comes from; repeat for each
    #[arg(long = "map", required = true, value_name = "FIELD=SOURCE")]
    map: Vec<Wish>,
    /// What the feed is called, the same whenever it is sent; with key=…, since the keys of two feeds may be alike
    #[arg(long, value_name = "NAME", value_parser = feed::name)]
    feed: Option<String>,
    /// Only rows whose column has this value; repeat for other values, and for other columns
    #[arg(long, value_name = "COLUMN=VALUE")]
    only: Vec<Only>,
    /// What prices are in, where no column says it
    #[arg(long, default_value = "EUR")]
    currency: String,
    /// What stands between columns: one character, or `tab`
    #[arg(long, default_value = ",", value_parser = feed::delimiter)]
    delimiter: u8,
    /// Write the rows that were refused or left out into this file, with the reasons
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Write the rows that were taken without something that made no sense into this file, with the reasons
    #[arg(long, value_name = "FILE")]
    notices: Option<PathBuf>,
    /// Show what would be sent, and send nothing
    #[arg(long)]
    dry_run: bool,
}

/// Rows on their way, and what is told of them.
struct Importing<'a> {
    mapping: Mapping,
    /// Nowhere in a dry run.
    target: Option<Target<'a>>,
    rejects: Option<Rejects>,
    notices: Option<Rejects>,
    held: Vec<Row>,
    told: Told,
}

impl Import {
    pub(super) async fn run(self, at: &Gateway, output: &Output) -> Result<(), Failure> {
        let began = Instant::now();
        let (file, length) = self.open()?;
        let mut feed = Feed::new(file, self.delimiter, self.only)?;
        let currency = self.currency.to_ascii_uppercase();
        let mapping =
            Mapping::bind(&self.map, self.feed, &currency, feed.columns()).map_err(Failure::Usage)?;
        let session = if self.dry_run { None } else { Some(Session::open(at, output).await?) };
        let target = match &session {
            Some(session) => Some(Target {
                at,
                session,
                shop_id: shop::or_only(at, session, self.shop).await?,
                location_id: self.location,
                import_id: Uuid::new_v4().to_string(),
            }),
            None => None,
        };
        let create = |path: &PathBuf| Rejects::create(path, feed.columns());
        let mut importing = Importing {
            mapping,
            target,
            rejects: self.rejects.as_ref().map(create).transpose()?,
            notices: self.notices.as_ref().map(create).transpose()?,
            held: Vec::new(),
            told: Told::default(),
        };
        let progress = progress(length);
        let done = importing.all(&mut feed, &progress).await;
        progress.finish_and_clear();
        if done.is_err() && importing.told.has_arrived() {
            output.warning(
                "the import broke off; what has arrived stays: run it again, and only the rest is new",
            );
        }
        done?;
        match importing.target {
            Some(_) => importing.told.print(output, began.elapsed(), self.rejects.is_some()),
            None => importing.told.print_dry(output),
        }
        Ok(())
    }

    /// The file and, where it has one, its length.
    fn open(&self) -> Result<(Box<dyn io::Read>, Option<u64>), Failure> {
        if self.file.as_os_str() == "-" {
            return Ok((Box::new(io::stdin()), None));
        }
        let file = File::open(&self.file).map_err(|error| {
            Failure::not_possible(format!("cannot read {}: {error}", self.file.display()))
        })?;
        let length = file.metadata().ok().filter(std::fs::Metadata::is_file).map(|found| found.len());
        Ok((Box::new(file), length))
    }
}

impl Importing<'_> {
    async fn all(
        &mut self,
        feed: &mut Feed<Box<dyn io::Read>>,
        progress: &ProgressBar,
    ) -> Result<(), Failure> {
        let mut to_send = 0;
        while let Some(row) = feed.next()? {
            to_send += usize::from(row.fault.is_none());
            self.held.push(row);
            if to_send >= ROWS || self.held.len() >= HELD {
                self.pass_on().await?;
                to_send = 0;
                progress.set_position(feed.position());
                progress.set_message(format!("{} rows", self.told.rows()));
            }
        }
        self.pass_on().await
    }

    /// Sends what is held, and tells what was refused of it.
    async fn pass_on(&mut self) -> Result<(), Failure> {
        let held = std::mem::take(&mut self.held);
        let mut rows = Vec::with_capacity(held.len());
        let mut refused = Vec::new();
        for row in &held {
            match row.fault.as_ref() {
                None => rows.push(self.mapping.row(row.number, &row.record)),
                Some(fault) => refused.push(self.told.fault(row.number, fault)),
            }
        }
        self.told.example(&rows);
        let answer = match &self.target {
            Some(target) => target.send(rows).await?,
            None => send::nothing(&rows),
        };
        self.told.answer(&answer);
        refused.extend(answer.rejects);
        refused.sort_by_key(|report| report.number);
        write(self.rejects.as_mut(), &held, &refused)?;
        write(self.notices.as_mut(), &held, &answer.notices)
    }
}

/// Adds reports with the rows that they are of; those come in the order of their numbers.
fn write(file: Option<&mut Rejects>, held: &[Row], reports: &[RowReport]) -> Result<(), Failure> {
    let Some(file) = file else { return Ok(()) };
    for report in reports {
        if let Ok(index) = held.binary_search_by_key(&report.number, |row| row.number)
            && let Some(row) = held.get(index)
        {
            file.add(report.number, &report.field, &report.reason, &row.record)?;
        }
    }
    file.flush()
}

/// The rows of a file as they would be sent; `None` where the command would be refused.
#[must_use]
pub fn read_feed(file: &[u8], map: &[&str], name: &str, delimiter: &str) -> Option<Vec<CatalogueRow>> {
    let wishes: Vec<Wish> = map.iter().map(|wish| wish.parse().ok()).collect::<Option<_>>()?;
    let mut feed = Feed::new(file, feed::delimiter(delimiter).ok()?, Vec::new()).ok()?;
    let mapping = Mapping::bind(&wishes, feed::name(name).ok(), "EUR", feed.columns()).ok()?;
    let mut rows = Vec::new();
    while let Some(row) = feed.next().ok()? {
        if row.fault.is_none() {
            rows.push(mapping.row(row.number, &row.record));
        }
    }
    Some(rows)
}

/// On standard error, and only if that is a terminal.
fn progress(length: Option<u64>) -> ProgressBar {
    let (progress, template) = match length {
        Some(length) => (ProgressBar::new(length), "Importing [{bar:30}] {percent}% {msg}"),
        None => (ProgressBar::new_spinner(), "Importing {spinner} {msg}"),
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        progress.set_style(style.progress_chars("=> "));
    }
    progress
}
