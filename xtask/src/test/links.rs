//! The links of the project's pages: each leads to a file, a folder, or a heading that is there.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

/// Pages outside the folder of documentation.
const PAGES: [&str; 5] =
    ["README.md", "CONTRIBUTING.md", "bench/README.md", "data/README.md", "deploy/helm/bookstore/README.md"];

/// The links that lead nowhere, with the pages that have them. Those into the web are not followed.
pub(super) fn dead(checkout: &Path) -> Result<Vec<String>> {
    let mut pages: Vec<PathBuf> = PAGES.iter().map(|page| checkout.join(page)).collect();
    let mut folders = vec![checkout.join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    let mut dead = Vec::new();
    for page in pages {
        let text = fs::read_to_string(&page).with_context(|| format!("cannot read {}", page.display()))?;
        let folder = page.parent().unwrap_or(checkout);
        for link in
            links(&text).into_iter().filter(|link| !link.contains("://") && !link.starts_with("mailto:"))
        {
            let (path, heading) =
                link.split_once('#').map_or((link, None), |(path, heading)| (path, Some(heading)));
            let target = if path.is_empty() { page.clone() } else { folder.join(path) };
            let is_there = match heading {
                None => target.exists(),
                Some(heading) => fs::read_to_string(&target)
                    .is_ok_and(|text| headings(&text).any(|known| known == heading)),
            };
            if !is_there {
                let page = page.strip_prefix(checkout).unwrap_or(&page);
                dead.push(format!("{}: {link}", page.display()));
            }
        }
    }
    dead.sort();
    Ok(dead)
}

/// Lines outside of blocks of code.
fn prose(page: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    page.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// Where `[text](target)` leads to.
fn links(page: &str) -> Vec<&str> {
    let targets = prose(page).flat_map(|line| line.split("](").skip(1));
    targets.filter_map(|rest| Some(rest.split_once(')')?.0)).collect()
}

/// As GitHub names them.
pub(super) fn headings(page: &str) -> impl Iterator<Item = String> {
    prose(page).filter(|line| line.starts_with('#')).map(|line| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        title
            .chars()
            .filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter))
            .map(|letter| if letter == ' ' { '-' } else { letter })
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_in_code_are_none() {
        let page = "[one](a.md) and [two](b.md#c).\n```rust\nlist[0](three)\n```\n[four](#five)\n";
        assert_eq!(links(page), ["a.md", "b.md#c", "#five"]);
    }

    #[test]
    fn headings_are_named_as_github_does() {
        let named: Vec<_> = headings("# The door: `gateway`\n## Who may call what?\n").collect();
        assert_eq!(named, ["the-door-gateway", "who-may-call-what"]);
    }

    #[test]
    fn what_is_not_there_is_told_with_its_page() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| fs::write(folder.path().join(path), text).unwrap();
        fs::create_dir_all(folder.path().join("docs/adr")).unwrap();
        for page in PAGES {
            fs::create_dir_all(folder.path().join(page).parent().unwrap()).unwrap();
            write(page, "");
        }
        write("README.md", "[here](docs/adr) [web](https://example.com) [gone](docs/gone.md)");
        write("docs/adr/one.md", "# A b\n[up](../../README.md) [own](#a-b) [no](#c)");

        assert_eq!(dead(folder.path()).unwrap(), ["README.md: docs/gone.md", "docs/adr/one.md: #c"]);
    }
}
