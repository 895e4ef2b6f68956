use anyhow::{Context as _, Result};
use async_nats::{HeaderMap, jetstream};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use system_tests::Shop;
use values::{EventId, OrderId};
use verify::{Check, Scope};

use super::{
    facts::{FACTS, Fact},
    history::History,
    program::Answer,
};

#[tokio::test]
async fn each_broken_fact_is_found_by_what_is_there_for_it_and_by_nothing_else() -> Result<()> {
    let History { shop, placed } = History::happen().await?;
    // So that nobody mends what is broken here.
    shop.stop().await?;
    let quiet = Scope::quiet(&placed)?;
    assert_eq!(found(&shop, &quiet).await?, []);
    for fact in &FACTS {
        let mut database = PgConnection::connect(shop.database(fact.of)?.url()).await?;
        break_it(&mut database, fact).await.context(fact.broken_by)?;
        let found = found(&shop, &quiet).await?;
        let mut checks: Vec<Check> = found.iter().map(|(check, _)| *check).collect();
        let mut expected = fact.found_by.to_vec();
        checks.sort();
        expected.sort();
        assert_eq!(checks, expected, "{}\n{found:#?}", fact.broken_by);
        mend(&mut database, fact.table).await?;
    }
    assert_eq!(found(&shop, &quiet).await?, [], "all is mended");
    broken_streams(&shop, &quiet).await?;
    let unheard_of = OrderId::new().to_string();
    let lost = found(&shop, &Scope::only(std::slice::from_ref(&unheard_of))?).await?;
    let told = format!("strangers: {unheard_of}: was answered with OK and is not there");
    assert_eq!(lost, [(Check::Strangers, told)]);
    println!("verify: {} facts broken and found", FACTS.len() + 4);
    Ok(())
}

async fn found(shop: &Shop, scope: &Scope) -> Result<Vec<(Check, String)>> {
    let report = shop.look(scope).await?;
    Ok(report.violations().iter().map(|violation| (violation.check, violation.to_string())).collect())
}

/// Past triggers and foreign keys, which hold most of it up otherwise.
async fn break_it(database: &mut PgConnection, fact: &Fact) -> Result<()> {
    database.execute("SET session_replication_role = replica").await?;
    database.execute("DROP TABLE IF EXISTS kept").await?;
    database
        .execute(AssertSqlSafe(format!("CREATE TEMP TABLE kept AS SELECT * FROM {}", fact.table)))
        .await?;
    let broken = database.execute(fact.broken_by).await?;
    anyhow::ensure!(broken.rows_affected() > 0, "nothing was broken");
    Ok(())
}

async fn mend(database: &mut PgConnection, table: &str) -> Result<()> {
    database.execute(AssertSqlSafe(format!("DELETE FROM {table}"))).await?;
    let put_back = format!("INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM kept");
    database.execute(AssertSqlSafe(put_back)).await?;
    Ok(())
}

/// What somebody else does to the broker.
async fn broken_streams(shop: &Shop, quiet: &Scope) -> Result<()> {
    let client = async_nats::connect(shop.broker.url()).await?;
    let jetstream = jetstream::new(client);
    let subject = "bookstore.order.v1.confirmed";
    jetstream.publish(subject, "garbage".into()).await?.await?;
    let report = shop.look(quiet).await?;
    assert_eq!(report.count(), 0, "{:?}", report.violations());
    let remark = report.remarks().iter().find(|remark| remark.contains("somebody else"));
    assert!(remark.is_some_and(|remark| remark.starts_with("ORDER: 1 ")), "{:?}", report.remarks());

    let event = EventId::new().to_string();
    let mut headers = HeaderMap::new();
    headers.insert("ce-id", event.as_str());
    headers.insert("ce-source", "/bookstore/order");
    let ack = jetstream.publish_with_headers(subject, headers, "".into()).await?.await?;
    let told = format!("streams: {event}: is in ORDER at {}, and no outbox knows it", ack.sequence);
    assert_eq!(found(shop, quiet).await?, [(Check::Streams, told)]);
    let stream = jetstream.get_stream("ORDER").await?;
    stream.delete_message(ack.sequence).await?;
    assert_eq!(found(shop, quiet).await?, []);

    let clean = Answer::of(shop, &["--quiet-now"]).await?;
    assert_eq!((clean.code, clean.told.as_str()), (0, ""), "{clean:?}");
    assert!(clean.summary.ends_with("all as it must be\n"), "{clean:?}");
    stream.delete_consumer("payment_order_placed").await?;
    let told = "consumers: payment_order_placed: is not at ORDER".to_owned();
    assert_eq!(found(shop, quiet).await?, [(Check::Consumers, told.clone())]);
    // An open shop's is looked for twice.
    let violated = Answer::of(shop, &["--grace", "100ms"]).await?;
    assert_eq!((violated.code, violated.told), (1, format!("{told}\n")));
    let json: serde_json::Value =
        serde_json::from_str(&Answer::of(shop, &["--quiet-now", "--json"]).await?.told)?;
    assert_eq!((&json["count"], &json["violations"][0]["check"]), (&1.into(), &"consumers".into()));
    let blind = Answer::without(shop, "BOOKSTORE_ORDER_DATABASE_URL").await?;
    assert_eq!((blind.code, blind.told.as_str()), (2, ""), "{blind:?}");
    Ok(())
}
