use anyhow::Result;
use proto::inventory::v1::{self as pb, adjust_stock_request::Change};
use tonic::{Code, Status};

use super::{books, imports, isbn, pieces, row, target};
use crate::harness::{Bookshop, commit, reserve};

/// Two pieces of one feed at once, orders for what it counts, the shop's own counts, and another shop with the same books
/// in another order: whoever locks in another order than the others would deadlock here.
#[tokio::test(flavor = "multi_thread")]
async fn feeds_orders_and_counts_at_once_never_deadlock_and_add_up() -> Result<()> {
    let mut bookshop = Bookshop::open().await?;
    let (mut owner, other) = (bookshop.owner().await?, bookshop.owner().await?);
    let second = bookshop.another_replica().await?;
    let feed = |round: i64| -> Vec<pb::CatalogueRow> {
        let row = |number| pb::CatalogueRow {
            isbn: isbn(number),
            stock: (20 + (number + round) % 3).to_string(),
            publisher: if round > 0 { "Penguin".to_owned() } else { String::new() },
            categories: if round > 1 { vec!["novels".to_owned()] } else { vec![] },
            ..row(number)
        };
        (1..=120).map(row).collect()
    };
    imports(&owner, &feed(0)).await?;
    let offers: Vec<_> = books(&owner).await?.into_iter().filter_map(|mut book| book.offers.pop()).collect();
    let mut work = tokio::task::JoinSet::new();
    for round in 1..6 {
        for (shop, client) in [(&owner, &owner.client), (&owner, &second), (&other, &second)] {
            let mut rows = feed(round);
            if round % 2 == 0 {
                rows.reverse();
            }
            let request = shop.user.asks(tokio_stream::iter(pieces(target(shop), &rows)))?;
            let mut client = client.clone();
            work.spawn(async move {
                let answer = client.import_catalogue(request).await?.into_inner();
                assert_eq!(answer.created + answer.updated + answer.unchanged + answer.rejected, 120);
                Ok::<_, Status>(())
            });
        }
        for start in 0..4 {
            let (client, mut offers) = (second.clone(), offers.clone());
            offers.rotate_left(start * 20);
            work.spawn(async move {
                let lines: Vec<_> = offers[..60].iter().map(|offer| (offer, 1)).collect();
                let key = format!("key-{round}-{start}");
                let held = reserve(&client, &key, &lines).await?;
                commit(&client, &held).await.map(drop)
            });
        }
    }
    for offer in offers.iter().step_by(6) {
        owner.adjusts(offer, Change::Delta(1)).await?;
    }
    while let Some(done) = work.join_next().await {
        match done? {
            Err(status) if status.code() != Code::FailedPrecondition => return Err(status.into()),
            _ => {}
        }
    }
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(bookshop.number(deadlocks).await?, 0);
    let categorised = "SELECT count(*) FROM work_categories";
    assert_eq!(bookshop.number(categorised).await?, 120);
    bookshop.assert_the_stock_adds_up().await
}
