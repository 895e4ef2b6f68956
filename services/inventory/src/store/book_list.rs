//! Lists of the books that are on offer.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult, Statement, Value};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use values::{ShopId, page::PageSize};

use super::books::{BookRow, COLUMNS, EditionRow, Offers, with_offers};
use crate::domain::Category;

/// Which books are listed: those that fit in every respect.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filters {
    pub(crate) category: Option<Category>,
    pub(crate) shop: Option<ShopId>,
    /// In full, whatever the case.
    pub(crate) author: Option<String>,
    /// Words of the title and the authors' names.
    pub(crate) query: Option<String>,
}

/// Where a page of books ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Cursor {
    sort_title: String,
    work: Uuid,
    edition: Uuid,
}

/// How many offers a book of a list carries at most.
const OFFERS_IN_A_LIST: i64 = 3;

/// A page of the books on offer after `cursor`, by title, and where the next page begins.
pub(crate) async fn list(
    db: &impl ConnectionTrait,
    filters: &Filters,
    cursor: Option<Cursor>,
    size: PageSize,
) -> Result<(Vec<BookRow>, Option<Cursor>), DbErr> {
    let way = Way::to(db, filters).await?;
    let mut editions = EditionRow::find_by_statement(page(&way, filters, cursor, size)).all(db).await?;
    let full = usize::try_from(size.get()).unwrap_or(usize::MAX);
    let mut next = None;
    if editions.len() > full {
        editions.truncate(full);
        next = editions.last().map(|last| Cursor {
            sort_title: last.sort_title.clone(),
            work: last.work_id,
            edition: last.id,
        });
    }
    let offers = filters.shop.map_or(Offers::Cheapest(OFFERS_IN_A_LIST), Offers::Of);
    Ok((with_offers(db, editions, offers).await?, next))
}

/// How the page is found.
#[derive(Clone, Debug)]
enum Way {
    /// Along all titles, or those of the category, until the page is full.
    ByTitle,
    /// Among all works that fit the words and the author.
    Works(Vec<Uuid>),
    /// Among all editions that the shop offers.
    Editions(Vec<Uuid>),
}

/// Up to so many are looked at for each page. If there are more, few of the titles on the way are passed over.
const FEW: usize = 2_000;

impl Way {
    /// Postgres can't choose: it plans once for all values.
    async fn to(db: &impl ConnectionTrait, filters: &Filters) -> Result<Self, DbErr> {
        if let Some(works) = works(filters)
            && let Some(few) = few(db, works).await?
        {
            return Ok(Self::Works(few));
        }
        if let Some(shop) = filters.shop
            && let Some(few) = few(db, editions_of(shop)).await?
        {
            return Ok(Self::Editions(few));
        }
        Ok(Self::ByTitle)
    }
}

/// What is found, if it is few.
async fn few(db: &impl ConnectionTrait, find: Statement) -> Result<Option<Vec<Uuid>>, DbErr> {
    let rows = db.query_all_raw(find).await?;
    if rows.len() > FEW {
        return Ok(None);
    }
    rows.iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, _>>().map(Some)
}

/// Works that fit the words and the author, and one above what is few; `None` if neither is asked for.
fn works(filters: &Filters) -> Option<Statement> {
    let mut values = Values::default();
    let fit = values.works_that_fit(filters);
    let most = FEW + 1;
    let find = format!("SELECT id FROM works WHERE {} LIMIT {most}", fit.join(" AND "));
    (!fit.is_empty()).then(|| values.of(find))
}

/// Editions that a shop offers, and one above what is few. In the order of the index, so that it is used.
fn editions_of(shop: ShopId) -> Statement {
    let mut values = Values::default();
    let on_sale = values.offers_on_sale(Some(shop));
    let most = FEW + 1;
    values.of(format!("SELECT edition_id FROM offers WHERE {on_sale} ORDER BY edition_id LIMIT {most}"))
}

/// The values of a statement, and conditions that name them.
#[derive(Debug, Default)]
struct Values(Vec<Value>);

impl Values {
    /// The name of a value.
    fn name(&mut self, value: impl Into<Value>) -> String {
        self.0.push(value.into());
        format!("${}", self.0.len())
    }

    fn of(self, text: String) -> Statement {
        Statement::from_sql_and_values(DbBackend::Postgres, text, self.0)
    }

    /// The subqueries are evaluated once a statement rather than once a row.
    fn works_that_fit(&mut self, filters: &Filters) -> Vec<String> {
        let author = filters.author.as_deref().map(|author| {
            format!("folded_names(works.authors) @> (SELECT ARRAY[folded({})])", self.name(author))
        });
        let query = filters.query.as_deref().map(|query| {
            format!("work_words(works.title, works.authors) @@ (SELECT words_wanted({}))", self.name(query))
        });
        author.into_iter().chain(query).collect()
    }

    fn offers_on_sale(&mut self, shop: Option<ShopId>) -> String {
        let of_shop = shop.map(|shop| format!("offers.shop_id = {} AND ", self.name(shop.uuid())));
        of_shop.unwrap_or_default() + "offers.withdrawn_at IS NULL"
    }
}

/// Reads one book more than fits on the page, to know whether there is another page.
///
/// The editions of one work are few. The limit is written out, because a generic plan for a limit that it doesn't know
/// reads everything. `SELECT true`, unlike `EXISTS`, is never turned into a join with a whole table.
fn page(way: &Way, filters: &Filters, cursor: Option<Cursor>, size: PageSize) -> Statement {
    // Sorts before everything: no title is empty.
    let start = Cursor { sort_title: String::new(), work: Uuid::nil(), edition: Uuid::nil() };
    let after = cursor.unwrap_or(start);
    let mut values = Values::default();
    let (title, work, edition) =
        (values.name(after.sort_title), values.name(after.work), values.name(after.edition));
    let of_category = filters.category.as_ref().map(|category| {
        format!(
            "work_categories.work_id = works.id AND work_categories.category = {}",
            values.name(category.as_str())
        )
    });
    let (listed, place) = match (way, &of_category) {
        (Way::ByTitle, Some(of_category)) => (
            format!("work_categories JOIN works ON {of_category}"),
            "work_categories.sort_title, work_categories.work_id",
        ),
        _ => ("works".to_owned(), "works.sort_title, works.id"),
    };

    let on_sale = values.offers_on_sale(filters.shop);
    let mut conditions = vec![
        format!("({place}, editions.id) > ({title}, {work}, {edition})"),
        format!("(SELECT true FROM offers WHERE offers.edition_id = editions.id AND {on_sale} LIMIT 1)"),
    ];
    match way {
        // As much of the place as the index has.
        Way::ByTitle => conditions.push(format!("({place}) >= ({title}, {work})")),
        Way::Works(works) => conditions.push(format!("works.id = ANY({})", values.name(works.clone()))),
        Way::Editions(editions) => {
            conditions.push(format!("editions.id = ANY({})", values.name(editions.clone())));
        }
    }
    if let (Way::Works(_) | Way::Editions(_), Some(of_category)) = (way, &of_category) {
        conditions.push(format!("(SELECT true FROM work_categories WHERE {of_category})"));
    }
    if !matches!(way, Way::Works(_)) {
        // Not by their indexes, which would read all that fit.
        conditions.extend(values.works_that_fit(filters).iter().map(|fit| format!("({fit}) IS TRUE")));
    }
    let conditions = conditions.join("\n           AND ");
    let text = format!(
        "SELECT {COLUMNS}
         FROM {listed}
         JOIN editions ON editions.work_id = works.id
         WHERE {conditions}
         ORDER BY {place}, editions.id
         LIMIT {}",
        size.get() + 1
    );
    values.of(text)
}

#[cfg(test)]
mod tests;
