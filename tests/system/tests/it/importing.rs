//! Real catalogues, messy as feeds are, by the mappings that the README teaches; then orders of what they brought.
//!
//! The files are no part of the repository: they are looked for in `shared/data` of the folders above the checkout.

use std::{
    collections::HashSet,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use proto::order::v1::{CancelReason, Order, OrderState};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::Value;
use sqlx::{Connection, PgConnection, query_as, query_scalar};
use system_tests::{Book, Customer, PASSWORD, Seller, Service, Shop, command_line, new_request_id};
use tokio::process::Command;
use tonic::Code;
use uuid::Uuid;
use values::{EditionId, OfferId};

const GOODBOOKS: &str = "goodbooks-10k.books.csv";
const GUTENBERG: &str = "gutenberg.catalog.csv";
/// Who orders.
const CUSTOMERS: usize = 50;
/// What most of them have, and what every tenth has.
const WALLETS: (i64, i64) = (1_000_000, 3_000);
/// Fewer where the services are not optimised.
const ORDERS: usize = 1_000;
/// Orders under way at once.
const AT_ONCE: usize = 16;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_catalogues_are_imported_as_documented_and_sold() -> Result<()> {
    let (Some(goodbooks), Some(gutenberg)) = (real(GOODBOOKS)?, real(GUTENBERG)?) else {
        writeln!(io::stderr(), "skipped: no catalogues in shared/data of a folder above the checkout")?;
        return Ok(());
    };
    let shop = Shop::start().await?;
    let seller = shop.seller().await?;
    let mut books = PgConnection::connect(shop.database(Service::Inventory)?.url()).await?;

    let first = import(&shop, &seller, &goodbooks).await?;
    assert_eq!((count(&first, "created"), count(&first, "rejected")), (10_000, 0), "{first}");
    let isbns: Vec<String> =
        query_scalar("SELECT isbn FROM editions WHERE isbn IS NOT NULL").fetch_all(&mut books).await?;
    assert!(isbns.len() >= 9_277, "{} editions have an ISBN", isbns.len());
    let proven = proven(&goodbooks)?;
    let guessed: Vec<&String> = isbns.iter().filter(|isbn| !proven.contains(*isbn)).collect();
    assert!(guessed.is_empty(), "nothing proves {guessed:?}");

    let second = import(&shop, &seller, &gutenberg).await?;
    assert_eq!((count(&second, "created"), count(&second, "rejected")), (7_536, 0), "{second}");
    assert_eq!(count(&second, "left_out"), 124, "{second}");
    let again = import(&shop, &seller, &gutenberg).await?;
    assert_eq!((count(&again, "unchanged"), count(&again, "created")), (7_536, 0), "{again}");

    let offers: Vec<(Uuid, Uuid, i64)> =
        query_as("SELECT id, edition_id, price_minor_units FROM offers ORDER BY feed_key, id")
            .fetch_all(&mut books)
            .await?;
    assert_eq!(offers.len(), 17_536);
    let offers: Vec<Book> = offers
        .into_iter()
        .map(|(offer, edition, price)| Book {
            offer_id: OfferId::from_uuid(offer).to_string(),
            edition_id: EditionId::from_uuid(edition).to_string(),
            price,
        })
        .collect();
    sell(&shop, &offers).await
}

/// Runs the README's command for a file; its answer.
async fn import(shop: &Shop, seller: &Seller, file: &Path) -> Result<Value> {
    let name = file.file_name().and_then(|name| name.to_str()).context("no name")?;
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md"))?;
    let start = format!("bookstore books import {name} ");
    let at = readme.find(&start).with_context(|| format!("the README has no `{start}`"))?;
    let command = readme[at..].split("\n```").next().unwrap_or_default().replace("\\\n", " ");
    let folder = tempfile::tempdir()?;
    let (path, rejects) =
        (file.display().to_string(), folder.path().join("rejects.csv").display().to_string());
    let words = command.split_whitespace().skip(1).map(|word| match word.trim_matches('\'') {
        word if word == name => path.clone(),
        "rejects.csv" => rejects.clone(),
        word => word.to_owned(),
    });
    let words: Vec<String> = words.collect();
    let url = format!("http://{}", shop.address(Service::Gateway)?);
    let run = async |arguments: &[String]| {
        let output = Command::new(command_line()?)
            .args(arguments)
            .args(["--output", "json", "--timeout", "120"])
            .env_clear()
            .env("BOOKSTORE_CONFIG_DIR", folder.path())
            .env("BOOKSTORE_PASSWORD", PASSWORD)
            .env("BOOKSTORE_URL", &url)
            .stdin(Stdio::null())
            .output()
            .await?;
        let (said, told) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
        ensure!(output.status.success(), "{arguments:?}: {told}");
        Ok(said)
    };
    run(&["login", "--email", &seller.owner().email].map(str::to_owned)).await?;
    let shop_id = ["--shop".to_owned(), seller.shop_id.clone()];
    let said = run(&[words.as_slice(), &shop_id].concat()).await?;
    let answer: Value = serde_json::from_str(&said).with_context(|| said.clone())?;
    let told = csv::Reader::from_path(&rejects)?.records().count();
    let left = count(&answer, "rejected") + count(&answer, "left_out");
    ensure!(told >= usize::try_from(left)?, "{left} rows were refused, {told} are told");
    Ok(answer)
}

fn count(answer: &Value, what: &str) -> i64 {
    answer[what].as_i64().unwrap_or(-1)
}

/// The ISBN-13s that the check digits of a file's column `isbn` prove, zeros put back in front.
fn proven(file: &Path) -> Result<HashSet<String>> {
    let mut feed = csv::Reader::from_path(file)?;
    let column = feed.headers()?.iter().position(|name| name == "isbn").context("no column isbn")?;
    let mut isbns = HashSet::new();
    for row in feed.records() {
        isbns.extend(isbn13(row?.get(column).unwrap_or_default()));
    }
    Ok(isbns)
}

fn isbn13(written: &str) -> Option<String> {
    let padded = format!("{:0>10}", written.trim());
    let value = |digit: char| if digit == 'X' { Some(10) } else { digit.to_digit(10) };
    let digits: Vec<u32> = padded.chars().map(value).collect::<Option<_>>()?;
    let checked = (1..=10).rev().zip(&digits).map(|(weight, digit)| weight * digit).sum::<u32>();
    if written.is_empty() || digits.len() != 10 || checked % 11 != 0 {
        return None;
    }
    let body = format!("978{}", &padded[..9]);
    let sum: u32 = body
        .chars()
        .filter_map(|digit| digit.to_digit(10))
        .zip([1, 3].into_iter().cycle())
        .map(|(digit, weight)| digit * weight)
        .sum();
    Some(format!("{body}{}", (10 - sum % 10) % 10))
}

/// Random orders by many customers end as they should.
async fn sell(shop: &Shop, offers: &[Book]) -> Result<()> {
    let rich = shop.customers(CUSTOMERS - CUSTOMERS / 10, WALLETS.0).await?;
    let poor = shop.customers(CUSTOMERS / 10, WALLETS.1).await?;
    let customers: Vec<(&Customer, i64)> =
        (rich.iter().map(|one| (one, WALLETS.0))).chain(poor.iter().map(|one| (one, WALLETS.1))).collect();
    let mut dice = StdRng::seed_from_u64(10_000);
    let mut wanted = Vec::new();
    for number in 0..ORDERS {
        let books: Vec<&Book> = offers.choose_multiple(&mut dice, 1 + number % 3).collect();
        let lines: Vec<(&Book, i32)> =
            books.into_iter().map(|book| (book, dice.random_range(1..=3))).collect();
        wanted.push((dice.random_range(0..CUSTOMERS), lines, number % 10 == 0));
    }

    let ended: Vec<Option<(usize, Order)>> = stream::iter(wanted)
        .map(async |(customer, lines, is_cancelled)| {
            let order = ordered(customers[customer].0, &lines, is_cancelled).await?;
            anyhow::Ok(order.map(|order| (customer, order)))
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;

    let mut placed = Vec::new();
    let mut spent = vec![0; CUSTOMERS];
    for (customer, order) in ended.into_iter().flatten() {
        match (order.state(), order.cancel_reason()) {
            (OrderState::Confirmed, _) => {
                spent[customer] += order.total.as_ref().map_or(0, |money| money.minor_units);
            }
            (OrderState::Cancelled, CancelReason::CustomerRequest) => {}
            (OrderState::Cancelled, CancelReason::InsufficientFunds)
                if customers[customer].1 == WALLETS.1 => {}
            end => anyhow::bail!("{} ended as {end:?}", order.order_id),
        }
        placed.push(order.order_id);
    }
    assert!(placed.len() > ORDERS / 2, "{} orders were placed", placed.len());
    shop.check(&placed).await?;
    for ((customer, had), spent) in customers.into_iter().zip(spent) {
        assert_eq!(customer.balance().await?, had - spent, "{}", customer.user_id);
    }
    Ok(())
}

/// An order that has ended; nothing if something was out of stock.
async fn ordered(customer: &Customer, lines: &[(&Book, i32)], is_cancelled: bool) -> Result<Option<Order>> {
    let order = match customer.try_place(customer.order_of(&new_request_id(), lines)).await? {
        Ok(order) => order,
        Err(status) if status.code() == Code::FailedPrecondition => return Ok(None),
        Err(status) => return Err(status).context("PlaceOrder"),
    };
    let total: i64 = lines.iter().map(|(book, copies)| book.price * i64::from(*copies)).sum();
    ensure!(order.total.as_ref().is_some_and(|money| money.minor_units == total), "{order:?} for {total}");
    let order = customer.ended(&order.order_id).await?;
    if is_cancelled && order.state() == OrderState::Confirmed {
        return customer.cancel(&order.order_id).await.map(Some);
    }
    Ok(Some(order))
}

fn real(file: &str) -> Result<Option<PathBuf>> {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).canonicalize()?;
    Ok(checkout.ancestors().map(|folder| folder.join("shared/data").join(file)).find(|path| path.is_file()))
}
