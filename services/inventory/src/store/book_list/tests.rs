use anyhow::{Context as _, Result};
use sea_orm::{DatabaseConnection, TransactionTrait};
use testkit::Database;

use super::*;

/// Ten thousand works of a hundred authors in three categories. Each has an edition that a large shop offers; every
/// hundredth is offered by a small one too.
const CATALOGUE: &str = "
    INSERT INTO shops (id, name, city, registered_by, request_id, request_fingerprint)
    SELECT ('00000000-0000-7000-8000-00000000000' || number)::uuid, 'Shop ' || number, 'Paris',
           gen_random_uuid(), 'r', sha256('r')
    FROM generate_series(1, 2) AS number;

    INSERT INTO works (id, title, authors, identity)
    SELECT gen_random_uuid(), 'Title ' || number || ' of the thousands', ARRAY['Author ' || number % 100],
           sha256(number::text::bytea)
    FROM generate_series(1, 10000) AS number;

    INSERT INTO work_categories (work_id, category, sort_title)
    SELECT id, CASE get_byte(identity, 0) % 3 WHEN 0 THEN 'poetry' WHEN 1 THEN 'classics' ELSE 'romance' END,
           sort_title
    FROM works;

    INSERT INTO editions (id, work_id, publisher, published_year, language_code, description)
    SELECT gen_random_uuid(), id, '', 0, '', repeat('About it. ', 50) FROM works;

    INSERT INTO offers (id, shop_id, edition_id, price_minor_units, currency_code, added_by, request_id,
                        request_fingerprint)
    SELECT gen_random_uuid(), ('00000000-0000-7000-8000-00000000000' || shop)::uuid, id, 1000, 'EUR',
           gen_random_uuid(), 'r', sha256('r')
    FROM (SELECT id, row_number() OVER () AS place FROM editions) AS edition, generate_series(1, 2) AS shop
    WHERE shop = 1 OR place % 100 = 0;";

async fn catalogue() -> Result<(Database, DatabaseConnection)> {
    let database = testkit::database::<crate::Inventory>().await?;
    let db = database.connect().await?;
    db.execute_unprepared(CATALOGUE).await?;
    db.execute_unprepared("ANALYZE").await?;
    Ok((database, db))
}

fn shop(number: u128) -> ShopId {
    ShopId::from_uuid(Uuid::from_u128(0x7000_8000_0000_0000_0000 + number))
}

/// How Postgres would answer this statement, whatever its values are.
async fn plan(db: &DatabaseConnection, page: Statement) -> Result<String> {
    let values = page.values.context("no values")?.0;
    let names = (1..).zip(&values).map(|(place, value)| match value {
        Value::Array(..) => format!("${place}::uuid[]"),
        _ => format!("${place}"),
    });
    let names: Vec<_> = names.collect();
    let tx = db.begin().await?;
    tx.execute_unprepared("SET LOCAL plan_cache_mode = force_generic_plan").await?;
    tx.execute_unprepared(&format!("PREPARE page AS {}", page.sql)).await?;
    let explain = format!("EXPLAIN EXECUTE page ({})", names.join(", "));
    let explain = Statement::from_sql_and_values(DbBackend::Postgres, explain, values).to_string();
    let rows = tx.query_all_raw(Statement::from_string(DbBackend::Postgres, explain)).await?;
    tx.execute_unprepared("DEALLOCATE page").await?;
    let lines: Result<Vec<String>, _> = rows.iter().map(|row| row.try_get_by_index(0)).collect();
    Ok(lines?.join("\n"))
}

async fn read(db: &DatabaseConnection, page: Statement) -> Result<Vec<Uuid>> {
    let editions = EditionRow::find_by_statement(page).all(db).await?;
    Ok(editions.into_iter().map(|edition| edition.id).collect())
}

#[tokio::test]
async fn lists_of_ten_thousand_books_use_indexes_and_find_the_same_either_way() -> Result<()> {
    let (_database, db) = catalogue().await?;
    let size = PageSize::parse(50)?;
    let cursor = Cursor { sort_title: "title 5".to_owned(), work: Uuid::nil(), edition: Uuid::nil() };
    let text = |text: &str| Some(text.to_owned());
    for shop in [None, Some(shop(1)), Some(shop(2))] {
        for category in [None, Some("poetry".parse()?)] {
            for (author, query) in [
                (None, None),
                (text("AUTHOR 7"), None),
                (None, text("title 77")),
                (None, text("thousands tit")),
                (text("author 7"), text("thou")),
            ] {
                let filters = Filters { category: category.clone(), shop, author, query };
                let way = Way::to(&db, &filters).await?;
                let list = page(&way, &filters, Some(cursor.clone()), size);
                // Along all titles it would take long.
                if category.is_some() {
                    let by_title = page(&Way::ByTitle, &filters, Some(cursor.clone()), size);
                    assert_eq!(read(&db, list.clone()).await?, read(&db, by_title).await?, "{filters:?}");
                }
                let finds = works(&filters).into_iter().chain(shop.map(editions_of));
                for statement in finds.chain([list]) {
                    let plan = plan(&db, statement).await?;
                    assert!(!plan.contains("Seq Scan"), "{filters:?}\n{plan}");
                }
            }
        }
    }
    Ok(())
}
