//! Long lists: a page at a time, or all of it.

use clap::Args;

use crate::{failure::Failure, output::Output, typed};

/// The most that the shop gives at once.
const LONGEST_PAGE: i32 = 200;

/// How much of a list is wanted.
#[derive(Args)]
pub(crate) struct Paging {
    /// How many to list
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(i32).range(1..=i64::from(LONGEST_PAGE)))]
    limit: i32,
    /// List all of them
    #[arg(long, conflicts_with_all = ["limit", "page"])]
    all: bool,
    /// Go on where an earlier list ended
    #[arg(long, value_name = "TOKEN", default_value = "")]
    page: String,
}

/// A part of a list, and the token of what follows it; empty at the end.
pub(crate) type Part<T> = (Vec<T>, String);

impl Paging {
    /// The whole list.
    pub(crate) const fn everything() -> Self {
        Self { limit: LONGEST_PAGE, all: true, page: String::new() }
    }

    /// Whether the list isn't to go on where another one ended.
    pub(crate) const fn is_from_the_start(&self) -> bool {
        self.page.is_empty()
    }

    /// The wanted part, by `fetch`ing pages of a size from a token on.
    pub(crate) async fn part<T>(
        &self,
        mut fetch: impl AsyncFnMut(i32, String) -> Result<Part<T>, Failure>,
    ) -> Result<Part<T>, Failure> {
        let size = if self.all { LONGEST_PAGE } else { self.limit };
        let (mut part, mut next) = fetch(size, self.page.clone()).await?;
        while self.all && !next.is_empty() {
            let (more, after) = fetch(size, next).await?;
            part.extend(more);
            next = after;
        }
        Ok((part, next))
    }
}

/// Tells the command that shows what follows, if anything does.
pub(crate) fn hint_at(next: &str, output: &Output) {
    if !next.is_empty() {
        let command = typed::again_with("--page", next);
        output.hint(&format!("There are more; list all of them with --all, or go on with:\n  {command}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three pages of a thing each.
    async fn fetch(_size: i32, token: String) -> Result<Part<u32>, Failure> {
        Ok(match token.as_str() {
            "" => (vec![1], "second".to_owned()),
            "second" => (vec![2], "third".to_owned()),
            _ => (vec![3], String::new()),
        })
    }

    #[tokio::test]
    async fn all_of_a_list_is_every_page_of_it() {
        assert_eq!(Paging::everything().part(fetch).await.unwrap(), (vec![1, 2, 3], String::new()));
    }

    #[tokio::test]
    async fn one_page_is_what_the_token_names_and_the_token_of_the_next() {
        let second = Paging { limit: 1, all: false, page: "second".to_owned() };

        assert_eq!(second.part(fetch).await.unwrap(), (vec![2], "third".to_owned()));
    }
}
