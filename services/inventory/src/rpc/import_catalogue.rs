mod take;

use auth::Customer;
use proto::inventory::v1::{self as pb, import_catalogue_request::Piece};
use server::database::answered;
use tonic::Streaming;
use uuid::Uuid;
use values::{LocationId, RequestId, ShopId, Violations};

use super::Inventory;
use crate::{
    domain::{Outcome, RawRow, Report},
    error::Error,
    store::{self, feeds::Target, members::Work},
};

/// The most rows of one message.
const MAX_ROWS: usize = 1_000;
/// Rows in one transaction: shelves that it changes are locked for some tens of milliseconds.
const AT_ONCE: usize = 500;
/// Of how many rows at most the answer says what is wrong.
const MAX_REPORTS: usize = 1_000;

struct ImportTarget {
    shop: ShopId,
    location: Option<LocationId>,
    import: Option<RequestId>,
}

impl ImportTarget {
    fn parse(wire: &pb::ImportTarget) -> Result<Self, Violations> {
        let mut violations = Violations::new();
        let shop = violations.parse("target.shop_id", &wire.shop_id);
        let location = if wire.location_id.is_empty() {
            Some(None)
        } else {
            violations.parse::<LocationId>("target.location_id", &wire.location_id).map(Some)
        };
        let import = if wire.import_id.is_empty() {
            Some(None)
        } else {
            violations.parse::<RequestId>("target.import_id", &wire.import_id).map(Some)
        };
        let parsed = (|| Some(Self { shop: shop?, location: location?, import: import? }))();
        violations.finish(parsed)
    }
}

/// Takes a feed of books into a shop that the caller works in, some hundreds of rows at a time: no more of it is ever
/// held, and the next message is read when these are written.
///
/// # Errors
/// `INVALID_ARGUMENT` the stream does not begin with the shop, or a message has too many rows · `NOT_FOUND` shop or room
/// · `PERMISSION_DENIED` not the caller's shop
pub(super) async fn import_catalogue(
    inventory: &Inventory,
    caller: &Customer,
    mut feed: Streaming<pb::ImportCatalogueRequest>,
) -> Result<pb::ImportCatalogueResponse, Error> {
    let Some(Piece::Target(wire)) = next(&mut feed).await? else {
        return Err(invalid("target", "must be what the first message says").into());
    };
    // Nobody knows how long a feed takes, and so it has no deadline.
    let target = answered(find(inventory, caller, ImportTarget::parse(&wire)?)).await?;
    let mut answer = pb::ImportCatalogueResponse::default();
    while let Some(piece) = next(&mut feed).await? {
        let Piece::Rows(rows) = piece else {
            return Err(invalid("target", "must be what the first message says, and no other").into());
        };
        if rows.rows.len() > MAX_ROWS {
            return Err(invalid("rows.rows", format!("must have at most {MAX_ROWS} elements")).into());
        }
        let mut rows = rows.rows.into_iter().map(RawRow::from).peekable();
        while rows.peek().is_some() {
            let rows: Vec<RawRow> = rows.by_ref().take(AT_ONCE).collect();
            for taken in answered(take::take(inventory, caller, &target, &rows)).await? {
                answer.add(taken);
            }
        }
    }
    Ok(answer)
}

/// The next piece; `None` at the end.
async fn next(feed: &mut Streaming<pb::ImportCatalogueRequest>) -> Result<Option<Piece>, Error> {
    match feed.message().await.map_err(Error::Broken)? {
        Some(pb::ImportCatalogueRequest { piece: Some(piece) }) => Ok(Some(piece)),
        Some(pb::ImportCatalogueRequest { piece: None }) => Err(invalid("piece", "is required").into()),
        None => Ok(None),
    }
}

fn invalid(field: &str, what: impl Into<String>) -> Violations {
    let mut violations = Violations::new();
    violations.add(field, what);
    violations
}

/// Where the caller's feed goes.
async fn find(inventory: &Inventory, caller: &Customer, target: ImportTarget) -> Result<Target, Error> {
    inventory.may(caller, target.shop, Work::Books).await?;
    let location = store::shops::location_of(&inventory.db, target.shop, target.location).await?;
    let named = target.location.map(|location| location.to_string()).unwrap_or_default();
    let location = location.ok_or_else(|| Error::not_found("location", &named))?;
    // A feed in one call needs no name; this is nobody else's, since `/` is none of a request's characters.
    let import =
        target.import.map_or_else(|| format!("call/{}", Uuid::now_v7()), |import| import.to_string());
    Ok(Target { shop: target.shop, location: LocationId::from_uuid(location.id), import })
}

/// What became of a row, and what was left out of it.
type Taken = Result<(Outcome, Vec<Report>), Report>;

trait Add {
    fn add(&mut self, taken: Taken);
}

impl Add for pb::ImportCatalogueResponse {
    fn add(&mut self, taken: Taken) {
        match taken {
            Ok((outcome, notices)) => {
                match outcome {
                    Outcome::Created => self.created += 1,
                    Outcome::Updated => self.updated += 1,
                    Outcome::Unchanged => self.unchanged += 1,
                }
                let room = MAX_REPORTS.saturating_sub(self.notices.len());
                self.notices.extend(notices.into_iter().map(pb::RowReport::from).take(room));
            }
            Err(report) => {
                self.rejected += 1;
                if self.rejects.len() < MAX_REPORTS {
                    self.rejects.push(report.into());
                }
            }
        }
    }
}

impl From<Report> for pb::RowReport {
    fn from(report: Report) -> Self {
        Self { number: report.number, field: report.field.to_owned(), reason: report.reason }
    }
}

impl From<pb::CatalogueRow> for RawRow {
    fn from(row: pb::CatalogueRow) -> Self {
        Self {
            number: row.number,
            key: row.key,
            isbn: row.isbn,
            title: row.title,
            authors: row.authors,
            publisher: row.publisher,
            published_year: row.published_year,
            language_code: row.language_code,
            description: row.description,
            categories: row.categories,
            price: row.price,
            currency_code: row.currency_code,
            stock: row.stock,
        }
    }
}
