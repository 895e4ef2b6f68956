//! What a page says to do: blocks that go into files, and commands.
//!
//! A fence's first word is the language; the words behind it, which no rendered page shows, say where the block goes:
//!
//! - `new="path"`: a file of its own.
//! - `file="path"` and a place: `before="…"`, `after="…"` or `instead="…"` of the one line that begins so, or `at-end`.
//! - `file="path" without`: these lines are taken out, with `under="…"` the first ones after that line.
//! - `console`: commands after `$`, and under each what it prints in this order, other lines aside; `fails` for commands
//!   that must not succeed. A line that ends with `…` is only begun.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};

use super::Tree;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Block {
    Edit(Edit),
    Run(Run),
}

/// A block that goes into a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Edit {
    path: PathBuf,
    place: Place,
    text: String,
}

#[derive(Debug, PartialEq, Eq)]
enum Place {
    New,
    AtEnd,
    Before(String),
    After(String),
    Instead(String),
    /// Taken out, below the line that begins so.
    Without(Option<String>),
}

/// A command, and what it prints among other things.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) command: String,
    pub(super) fails: bool,
    printed: Vec<String>,
}

/// All that `page` says to do, in its order.
pub(super) fn blocks(page: &str) -> Result<Vec<Block>> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```") else { continue };
        let text: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let words = words(info);
        let has = |name: &str| words.iter().any(|(word, _)| *word == name);
        if has("console") {
            blocks.extend(runs(&text, has("fails")).into_iter().map(Block::Run));
        } else if has("new") || has("file") {
            let edit = edit(&words, &text).with_context(|| format!("what does ```{info} say?"))?;
            blocks.push(Block::Edit(edit));
        }
    }
    ensure!(blocks.iter().any(|block| matches!(block, Block::Run(_))), "the page has no ```console block");
    Ok(blocks)
}

/// `rust file="a" at-end` as names, and values of those that have one.
fn words(info: &str) -> Vec<(&str, Option<&str>)> {
    let mut words = Vec::new();
    let mut rest = info.trim();
    while !rest.is_empty() {
        let end = rest.find([' ', '=']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let valued = after.strip_prefix("=\"").and_then(|value| value.split_once('"'));
        let (value, after) = valued.map_or((None, after), |(value, after)| (Some(value), after));
        words.push((name, value));
        rest = after.trim_start_matches([' ', '=']);
    }
    words
}

fn edit(words: &[(&str, Option<&str>)], text: &[&str]) -> Result<Edit> {
    let value = |name: &str| words.iter().find(|(word, _)| *word == name).and_then(|(_, value)| *value);
    let has = |name: &str| words.iter().any(|(word, _)| *word == name);
    let owned = |value: &str| value.to_owned();
    let (path, place) = match (value("new"), value("file")) {
        (Some(path), None) => (path, Place::New),
        (None, Some(path)) => {
            let place = [
                value("before").map(|line| Place::Before(owned(line))),
                value("after").map(|line| Place::After(owned(line))),
                value("instead").map(|line| Place::Instead(owned(line))),
                has("at-end").then_some(Place::AtEnd),
                has("without").then(|| Place::Without(value("under").map(owned))),
            ];
            let mut places = place.into_iter().flatten();
            match (places.next(), places.next()) {
                (Some(place), None) => (path, place),
                _ => bail!("one place is needed"),
            }
        }
        _ => bail!("one file is needed"),
    };
    let text = text.iter().flat_map(|line| [*line, "\n"]).collect();
    Ok(Edit { path: path.into(), place, text })
}

fn runs(text: &[&str], fails: bool) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for line in text {
        match (runs.last_mut(), line.strip_prefix("$ ")) {
            (Some(run), _) if run.command.ends_with('\\') => {
                run.command.push('\n');
                run.command.push_str(line);
            }
            (_, Some(command)) => {
                runs.push(Run { command: command.to_owned(), fails, printed: Vec::new() });
            }
            (Some(run), None) if !line.is_empty() => run.printed.push((*line).to_owned()),
            _ => {}
        }
    }
    runs
}

impl Edit {
    pub(super) fn apply(&self, tree: &mut Tree) -> Result<()> {
        let edited = self.edited(tree).with_context(|| format!("a block of {}", self.path.display()))?;
        tree.insert(self.path.clone(), edited.into_bytes());
        Ok(())
    }

    fn edited(&self, tree: &Tree) -> Result<String> {
        let present = match (tree.get(&self.path), &self.place) {
            (Some(_), Place::New) => bail!("there is such a file already"),
            (None, Place::New) => return Ok(self.text.clone()),
            (None, _) => bail!("there is no such file"),
            (Some(contents), _) => std::str::from_utf8(contents)?,
        };
        let lines: Vec<&str> = present.split_inclusive('\n').collect();
        let (upto, from) = match &self.place {
            Place::New | Place::AtEnd => (lines.len(), lines.len()),
            Place::Before(begin) => (find(&lines, begin)?, find(&lines, begin)?),
            Place::After(begin) => (find(&lines, begin)? + 1, find(&lines, begin)? + 1),
            Place::Instead(begin) => (find(&lines, begin)?, find(&lines, begin)? + 1),
            Place::Without(under) => {
                let below = under.as_ref().map_or(Ok(0), |begin| find(&lines, begin))?;
                let unwanted: Vec<&str> = self.text.split_inclusive('\n').collect();
                let at = lines[below..].windows(unwanted.len()).position(|window| window == unwanted);
                let at = below + at.context("it doesn't have these lines")?;
                return Ok([&lines[..at], &lines[at + unwanted.len()..]].concat().concat());
            }
        };
        Ok([&lines[..upto], &[self.text.as_str()], &lines[from..]].concat().concat())
    }
}

/// The one line that begins so, wherever it is indented to.
fn find(lines: &[&str], begin: &str) -> Result<usize> {
    let begin = begin.trim_start();
    let mut found = lines.iter().enumerate().filter(|(_, line)| line.trim_start().starts_with(begin));
    match (found.next(), found.next()) {
        (Some((index, _)), None) => Ok(index),
        (None, _) => bail!("no line begins with {begin:?}"),
        (Some(_), Some(_)) => bail!("several lines begin with {begin:?}"),
    }
}

impl Run {
    /// The first line of the page that was not printed, after those before it.
    pub(super) fn missing_in(&self, printed: &[String]) -> Option<&str> {
        let mut printed = printed.iter();
        self.printed.iter().map(String::as_str).find(|expected| {
            !printed.by_ref().any(|line| match expected.strip_suffix('…') {
                Some(begin) => line.starts_with(begin),
                None => line == expected,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Tree {
        Tree::from([(PathBuf::from("a.rs"), text.as_bytes().to_vec())])
    }

    fn applied(page: &str, text: &str) -> Result<String> {
        let mut tree = tree(text);
        for block in blocks(&format!("{page}\n```console\n$ true\n```\n"))? {
            if let Block::Edit(edit) = block {
                edit.apply(&mut tree)?;
            }
        }
        Ok(String::from_utf8(tree[&PathBuf::from("a.rs")].clone())?)
    }

    #[test]
    fn a_block_goes_where_its_fence_says() {
        let at =
            |place: &str| applied(&format!("```rust file=\"a.rs\" {place}\nx\n```"), "one\n  two()\nthree\n");
        assert_eq!(at("before=\"two(\"").unwrap(), "one\nx\n  two()\nthree\n");
        assert_eq!(at("after=\"two(\"").unwrap(), "one\n  two()\nx\nthree\n");
        assert_eq!(at("instead=\"two(\"").unwrap(), "one\nx\nthree\n");
        assert_eq!(at("at-end").unwrap(), "one\n  two()\nthree\nx\n");
    }

    #[test]
    fn a_place_that_is_not_there_or_not_the_only_one_is_refused() {
        let at = |place: &str| applied(&format!("```rust file=\"a.rs\" {place}\nx\n```"), "one\none more\n");
        for place in ["before=\"two\"", "before=\"one\"", "", "at-end before=\"one more\""] {
            assert!(at(place).is_err(), "{place}");
        }
        assert!(applied("```rust new=\"a.rs\"\nx\n```", "one\n").is_err());
        assert!(applied("```rust file=\"b.rs\" at-end\nx\n```", "one\n").is_err());
    }

    #[test]
    fn lines_are_taken_out_below_the_one_that_is_named() {
        let text = "rpc A\n  option\nrpc B\n  option\n";
        let without = "```proto file=\"a.rs\" under=\"rpc B\" without\n  option\n```";
        assert_eq!(applied(without, text).unwrap(), "rpc A\n  option\nrpc B\n");
        assert!(applied(without, "  option\nrpc B\n").is_err());
    }

    #[test]
    fn commands_are_found_with_what_they_print() {
        let page = "```rust\nno place\n```\n```console fails\n$ one \\\n  --more\nprinted …\n\n$ two\n```\n";
        let Ok([Block::Run(one), Block::Run(two)]) =
            blocks(page).map(|blocks| <[Block; 2]>::try_from(blocks).unwrap())
        else {
            panic!("other blocks")
        };
        assert_eq!((one.command.as_str(), one.fails), ("one \\\n  --more", true));
        assert_eq!((two.command.as_str(), two.printed.len()), ("two", 0));
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(one.missing_in(&lines("else\nprinted 17")), None);
        assert_eq!(one.missing_in(&lines("else")), Some("printed …"));
    }
}
