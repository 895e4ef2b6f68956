//! Lists of books: filters that go together, words, and pages.

use anyhow::Result;
use proto::inventory::v1 as pb;
use tonic::Code;

use crate::harness::{Bookshop, Client, Owner, eur, refusal, unique, wrong_fields};

async fn all(client: &Client, ask: pb::ListBooksRequest) -> Result<Vec<pb::Book>> {
    let mut books = Vec::new();
    let mut page_token = String::new();
    loop {
        let page =
            client.clone().list_books(pb::ListBooksRequest { page_token, ..ask.clone() }).await?.into_inner();
        books.extend(page.books);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(books);
        }
    }
}

async fn titles(client: &Client, ask: pb::ListBooksRequest) -> Result<Vec<String>> {
    Ok(all(client, ask).await?.into_iter().map(|book| book.title).collect())
}

async fn adds(owner: &mut Owner, title: &str, authors: &[&str], category: &str) -> Result<pb::Book> {
    let book = pb::AddBookRequest {
        title: title.to_owned(),
        authors: authors.iter().map(|&author| author.to_owned()).collect(),
        categories: vec![category.to_owned()],
        ..owner.emma()
    };
    Ok(owner.adds(book).await?)
}

fn query(query: &str) -> pb::ListBooksRequest {
    pb::ListBooksRequest { query: query.to_owned(), ..Default::default() }
}

#[tokio::test]
async fn filters_go_together_whatever_the_page_size() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owners = [bookshop.owner().await?, bookshop.owner().await?];
    let mut books = Vec::new();
    for number in 0..24 {
        let owner = &mut owners[number % 2];
        let author = ["Ann Lee", "Bo Ek", "Ci Xin"][number % 3];
        let category = ["poetry", "drama"][number / 2 % 2];
        let title = format!("{} part {:02}", ["Rivers", "Hills"][number / 4 % 2], number / 3);
        let book = adds(owner, &title, &[author, "Di"], category).await?;
        books.push((owner.shop.shop_id.clone(), author, category, book));
    }
    books
        .sort_by_key(|(.., book)| (book.title.to_lowercase(), book.work_id.clone(), book.edition_id.clone()));
    let client = owners[0].client.clone();

    for shop_id in ["", owners[0].shop.shop_id.as_str(), owners[1].shop.shop_id.as_str()] {
        for category in ["", "poetry", "drama", "prose"] {
            for (author, full) in [("", ""), ("ANN LEE", "Ann Lee"), (" Bo Ek", "Bo Ek"), ("Ann", "none")] {
                for (query, starts) in [("", ""), ("riv part", "Rivers"), ("HILLS", "Hills")] {
                    let expected: Vec<_> = (books.iter())
                        .filter(|(shop, by, of, book)| {
                            (shop_id.is_empty() || shop == shop_id)
                                && (category.is_empty() || *of == category)
                                && (full.is_empty() || *by == full)
                                && book.title.starts_with(starts)
                                // Only the last word may be unfinished.
                                && query != "riv part"
                        })
                        .map(|(.., book)| &book.edition_id)
                        .collect();
                    let ask = pb::ListBooksRequest {
                        shop_id: shop_id.to_owned(),
                        category: category.to_owned(),
                        author: author.to_owned(),
                        query: query.to_owned(),
                        ..Default::default()
                    };
                    for page_size in [0, 1, 5] {
                        let found = all(&client, pb::ListBooksRequest { page_size, ..ask.clone() }).await?;
                        let found: Vec<_> = found.iter().map(|book| &book.edition_id).collect();
                        assert_eq!(found, expected, "{ask:?}, {page_size} a page");
                    }
                }
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn words_are_found_in_titles_and_names_whatever_their_case_accents_and_punctuation() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    for (title, authors) in [
        ("Wuthering Heights", &["Emily Brontë"][..]),
        ("The Lord of the Rings", &["J.R.R. Tolkien"]),
        ("Either/Or", &["Søren Kierkegaard"]),
        ("O'Brien's e-mail, 2.0", &[]),
        ("Преступление и наказание", &["Фёдор Достоевский"]),
        ("紅樓夢", &["曹雪芹"]),
    ] {
        adds(&mut owner, title, authors, "classics").await?;
    }
    let client = owner.client.clone();
    for (words, expected) in [
        ("BRONTE heights", &["Wuthering Heights"][..]),
        ("brontë", &["Wuthering Heights"]),
        ("wuth", &["Wuthering Heights"]),
        ("wuth heights", &[]),
        ("heights wuth", &["Wuthering Heights"]),
        ("tolkien r j", &["The Lord of the Rings"]),
        ("or", &["Either/Or"]),
        ("søren", &["Either/Or"]),
        ("o'brien", &["O'Brien's e-mail, 2.0"]),
        ("mail & 2 | ! ( :*", &["O'Brien's e-mail, 2.0"]),
        ("ПРЕСТУПЛЕНИЕ", &["Преступление и наказание"]),
        ("федор", &["Преступление и наказание"]),
        ("紅樓", &["紅樓夢"]),
        ("heights rings", &[]),
    ] {
        assert_eq!(titles(&client, query(words)).await?, expected, "{words}");
    }
    let all = titles(&client, query("")).await?;
    assert_eq!(titles(&client, query("?! '")).await?, all, "no word at all");
    assert_eq!(all.len(), 6);
    Ok(())
}

#[tokio::test]
async fn the_longest_titles_are_found_by_their_beginning() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    // Without a blank, and longer still when taken apart.
    let title = "각".repeat(500);
    adds(&mut owner, &title, &["ﷺ".repeat(200).as_str()], "classics").await?;
    for words in ["각".repeat(200), "각각".to_owned()] {
        assert_eq!(titles(&owner.client, query(&words)).await?, [title.as_str()]);
    }
    Ok(())
}

#[tokio::test]
async fn the_list_of_a_shop_shows_its_own_offers() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owners = Vec::new();
    for cents in [100, 200, 300, 400] {
        let mut owner = bookshop.owner().await?;
        let book = pb::AddBookRequest {
            isbn: "9780141439587".to_owned(),
            price: Some(eur(cents)),
            initial_stock: 1,
            ..owner.emma()
        };
        owner.adds(book).await?;
        owners.push(owner);
    }
    for owner in &owners {
        let ask = pb::ListBooksRequest { shop_id: owner.shop.shop_id.clone(), ..Default::default() };
        let books = all(&owner.client, ask).await?;
        let shops: Vec<_> = books[0].offers.iter().map(|offer| offer.shop_id.as_str()).collect();
        assert_eq!(shops, [owner.shop.shop_id.as_str()]);
    }
    Ok(())
}

#[tokio::test]
async fn malformed_filters_and_tokens_of_other_filters_are_refused() -> Result<()> {
    let bookshop = Bookshop::open().await?;
    let mut owner = bookshop.owner().await?;
    for _ in 0..2 {
        adds(&mut owner, &unique("Title"), &["Ann"], "poetry").await?;
    }
    let mut client = owner.client.clone();
    let malformed = pb::ListBooksRequest {
        page_size: -1,
        page_token: "x".to_owned(),
        category: "No".to_owned(),
        shop_id: "shop".to_owned(),
        author: "x".repeat(201),
        query: "a\u{0}b".to_owned(),
    };
    let wrong = wrong_fields(client.list_books(malformed).await);
    assert_eq!(wrong, ["page_size", "category", "shop_id", "author", "query", "page_token"]);

    let first = pb::ListBooksRequest { page_size: 1, author: "ann".to_owned(), ..query("title") };
    let page_token = client.list_books(first.clone()).await?.into_inner().next_page_token;
    let second = pb::ListBooksRequest { page_token: page_token.clone(), ..first };
    for other in [
        pb::ListBooksRequest { query: String::new(), ..second.clone() },
        pb::ListBooksRequest { author: String::new(), ..second.clone() },
        pb::ListBooksRequest { shop_id: owner.shop.shop_id.clone(), ..second.clone() },
    ] {
        let answer = client.list_books(other).await;
        assert_eq!(refusal(answer), (Code::InvalidArgument, "INVALID_FIELDS".to_owned()));
    }
    assert_eq!(client.list_books(second).await?.into_inner().books.len(), 1);
    let unknown = pb::ListBooksRequest { shop_id: values::ShopId::new().to_string(), ..Default::default() };
    assert_eq!(titles(&client, unknown).await?, Vec::<String>::new());
    Ok(())
}
