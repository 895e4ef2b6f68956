//! A file becomes a catalogue.

use std::{fs, path::PathBuf, process::Stdio, time::Duration};

use anyhow::{Context as _, Result};
use serde_json::Value;
use testkit::eventually;
use tokio::io::AsyncWriteExt as _;

use crate::{
    shop::Shop,
    terminal::{Outcome, Terminal},
};

const SOON: Duration = Duration::from_secs(30);

const FEED: &str = "\
id,name,who,isbn,shelf,kind
1,Dune,Frank Herbert,0441172717,science fiction; classics,book
2,Emma,\"Austen, Jane, 1775-1817\",,classics,book
3,,Nobody,,,book
4,A Talk,Somebody,,,tape
";
const MAPPING: [&str; 18] = [
    "--feed",
    "wholesaler",
    "--map",
    "key=id",
    "--map",
    "title=name",
    "--map",
    "authors=who:;:names",
    "--map",
    "isbn=isbn",
    "--map",
    "categories=shelf:;",
    "--map",
    "price=id:5.00..40.00",
    "--map",
    "stock=id:1..20",
    "--only",
    "kind=book",
];

fn import<'a>(file: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["books", "import", file][..], &MAPPING, more].concat()
}

fn counts(answer: &Value) -> [i64; 5] {
    ["created", "updated", "unchanged", "rejected", "left_out"]
        .map(|count| answer[count].as_i64().unwrap_or(-1))
}

async fn books(terminal: &Terminal, filter: &[&str]) -> Result<Vec<String>> {
    let books = terminal.answers(&[&["books", "list", "--all"], filter].concat()).await?;
    let books = books["books"].as_array().context("no books")?.clone();
    Ok(books.iter().filter_map(|book| Some(book["title"].as_str()?.to_owned())).collect())
}

#[tokio::test]
async fn a_file_is_imported_its_bad_rows_are_told_and_again_it_changes_nothing() -> Result<()> {
    let shop = Shop::open_without_payment().await?;
    let (seller, _) = shop.bookseller().await?;
    let feed = seller.folder.path().join("feed.csv");
    let rejects = seller.folder.path().join("rejects.csv");
    fs::write(&feed, FEED)?;
    let (feed, rejects) = (feed.to_str().context("no path")?, rejects.to_str().context("no path")?);
    let command = import(feed, &["--rejects", rejects]);

    let first = seller.answers(&command).await?;

    assert_eq!(counts(&first), [2, 0, 0, 1, 1], "{first}");
    let told = fs::read_to_string(rejects)?;
    let told: Vec<_> = told.lines().collect();
    assert_eq!(told[0], "number,field,reason,id,name,who,isbn,shelf,kind");
    assert!(told[1].starts_with("3,title,") && told[1].ends_with(",3,,Nobody,,,book"), "{told:?}");
    assert!(told[2].starts_with("4,kind,left out by --only: it is `tape`,4,A Talk,"), "{told:?}");
    assert_eq!(books(&seller, &[]).await?, ["Dune", "Emma"]);
    assert_eq!(books(&seller, &["--author", "jane austen"]).await?, ["Emma"]);
    assert_eq!(books(&seller, &["--search", "herb"]).await?, ["Dune"]);
    assert_eq!(books(&seller, &["--category", "science-fiction"]).await?, ["Dune"]);

    let again = seller.answers(&command).await?;

    assert_eq!(counts(&again), [0, 0, 2, 1, 1], "{again}");
    let told = seller.prints(&import(feed, &[])).await?;
    assert!(
        told.contains("4 rows in") && told.contains("2 as before") && told.contains("row 3: title:"),
        "{told}"
    );
    Ok(())
}

#[tokio::test]
async fn a_dry_run_sends_nothing_and_asks_nobody() -> Result<()> {
    let nobody = Terminal::new("http://127.0.0.1:9")?;
    let feed = nobody.folder.path().join("feed.csv");
    fs::write(&feed, FEED)?;

    let told = nobody.answers(&import(feed.to_str().context("no path")?, &["--dry-run"])).await?;

    assert_eq!((&told["would_send"], &told["left_out"]), (&3.into(), &1.into()), "{told}");
    assert_eq!(told["rows"][1]["authors"], serde_json::json!(["Jane Austen"]), "{told}");
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_imported_is_told_before_anything_is_asked() -> Result<()> {
    let nobody = Terminal::new("http://127.0.0.1:9")?;
    let feed = nobody.folder.path().join("feed.csv");
    fs::write(&feed, FEED)?;
    let feed = feed.to_str().context("no path")?;

    let wrong = nobody.run(&["books", "import", feed, "--map", "titel=name"]).await?;
    assert_eq!(wrong.code, 2, "{wrong:#?}");
    let no_column = nobody.run(&import(feed, &["--map", "publisher=house"])).await?;
    assert_eq!(no_column.code, 2, "{no_column:#?}");
    assert!(no_column.stderr.contains("there are: id, name, who, isbn, shelf, kind"), "{no_column:#?}");
    let no_file = nobody.run(&import("/no/such/file.csv", &[])).await?;
    assert_eq!(no_file.code, 1, "{no_file:#?}");
    let nobody_signed_in = nobody.run(&import(feed, &[])).await?;
    assert_eq!(nobody_signed_in.code, 3, "{nobody_signed_in:#?}");
    Ok(())
}

#[tokio::test]
async fn an_import_that_breaks_off_is_finished_by_running_it_again() -> Result<()> {
    let shop = Shop::open_without_payment().await?;
    let (seller, shop_id) = shop.bookseller().await?;
    let feed = seller.folder.path().join("feed.csv");
    fs::write(&feed, FEED)?;
    let feed = feed.to_str().context("no path")?.to_owned();
    shop.books.stall();

    let broken = seller.run(&import(&feed, &["--shop", &shop_id, "--timeout", "1"])).await?;

    assert_eq!(broken.code, 5, "{broken:#?}");
    assert!(broken.stderr.contains("repeat it with:\n  bookstore books import "), "{broken:#?}");
    shop.books.open();
    let again = seller.answers(&import(&feed, &[])).await?;
    assert_eq!(counts(&again)[3..], [1, 1], "{again}");
    assert_eq!(books(&seller, &[]).await?, ["Dune", "Emma"]);
    Ok(())
}

#[tokio::test]
async fn books_with_much_to_say_of_them_arrive() -> Result<()> {
    let shop = Shop::open_without_payment().await?;
    let (seller, _) = shop.bookseller().await?;
    let feed = seller.folder.path().join("feed.csv");
    let about = "a".repeat(2_000);
    let rows: Vec<_> = (1..=500).map(|id| format!("{id},Book {id},{about}")).collect();
    fs::write(&feed, format!("id,name,about\n{}\n", rows.join("\n")))?;
    let from = ["key=id", "title=name", "description=about", "price=id:5.00..40.00", "stock=id:1..20"];
    let maps: Vec<_> = from.into_iter().flat_map(|from| ["--map", from]).collect();
    let feed = feed.to_str().context("no path")?;

    let told =
        seller.answers(&[&["books", "import", feed, "--feed", "wholesaler"][..], &maps].concat()).await?;

    assert_eq!(counts(&told), [500, 0, 0, 0, 0], "{told}");
    Ok(())
}

#[tokio::test]
async fn what_arrived_before_an_import_broke_off_stays_and_only_the_rest_is_new() -> Result<()> {
    let shop = Shop::open_without_payment().await?;
    let (seller, shop_id) = shop.bookseller().await?;
    let rejects = seller.folder.path().join("rejects.csv");
    let row =
        |id: i32| format!("{id},{},,,,book\n", if id == 3 { String::new() } else { format!("Book {id}") });
    let heading = "id,name,who,isbn,shelf,kind\n";
    let (first, rest): (String, String) = ((1..=510).map(row).collect(), (511..=520).map(row).collect());
    let options = ["--rejects", rejects.to_str().context("no path")?, "--shop", &shop_id];
    let mut child = seller.command(&import("-", &options)).stdin(Stdio::piped()).spawn()?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    stdin.write_all(format!("{heading}{first}").as_bytes()).await?;
    // They are told once the first call is answered; the second waits for the rest of the file.
    eventually("the first rows have arrived", SOON, async || {
        fs::read_to_string(&rejects).is_ok_and(|told| told.contains("\n3,title,")).then_some(())
    })
    .await?;

    shop.books.close();
    stdin.write_all(rest.as_bytes()).await?;
    drop(stdin);
    let broken: Outcome = child.wait_with_output().await?.try_into()?;

    assert_eq!(broken.code, 5, "{broken:#?}");
    assert!(broken.stderr.contains("what has arrived stays"), "{broken:#?}");
    shop.books.open();
    let feed = seller.folder.path().join("feed.csv");
    fs::write(&feed, format!("{heading}{first}{rest}"))?;
    let again = seller.answers(&import(feed.to_str().context("no path")?, &[])).await?;
    assert_eq!(counts(&again), [20, 0, 499, 1, 0], "{again}");
    Ok(())
}

/// The commands of the README's section on imports, on the real files, where they are at hand.
#[tokio::test]
async fn the_documented_mappings_take_the_real_catalogues() -> Result<()> {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md"))?;
    for (file, sent, left_out) in
        [("goodbooks-10k.books.csv", 10_000, 0), ("gutenberg.catalog.csv", 7_536, 124)]
    {
        let start = format!("bookstore books import {file} ");
        let at = readme.find(&start).with_context(|| format!("the README has no `{start}`"))?;
        let command = readme[at..].split("\n```").next().unwrap_or_default().replace("\\\n", " ");
        let Some(path) = real(file) else {
            eprintln!("skipped: no shared/data/{file} above the checkout");
            continue;
        };
        let path = path.to_str().context("no path")?;
        let words = command.split_whitespace().map(|word| word.trim_matches('\'')).skip(1);
        let words = words.map(|word| if word == file { path } else { word });
        let nobody = Terminal::new("http://127.0.0.1:9")?;
        let rejects = nobody.folder.path().join("rejects.csv");
        let rejects = rejects.to_str().context("no path")?;
        let words: Vec<_> = words.map(|word| if word == "rejects.csv" { rejects } else { word }).collect();

        let told = nobody.answers(&[&words[..], &["--dry-run"]].concat()).await?;

        assert_eq!(
            (&told["would_send"], &told["left_out"]),
            (&sent.into(), &left_out.into()),
            "{file}: {told}"
        );
        assert_eq!(fs::read_to_string(rejects)?.lines().count(), 1 + usize::try_from(left_out)?, "{file}");
    }
    Ok(())
}

fn real(file: &str) -> Option<PathBuf> {
    let checkout = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let checkout = checkout.canonicalize().ok()?;
    checkout.ancestors().map(|folder| folder.join("shared/data").join(file)).find(|path| path.is_file())
}
