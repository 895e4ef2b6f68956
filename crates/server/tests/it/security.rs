//! Who may call what, as `docs/SECURITY.md` says, is what the contract says.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use auth::policy::{Allow, Policies};

/// From `| method | admits | … |`, where a method begins like `` `OrderService/… ``.
fn told(page: &str) -> BTreeMap<String, String> {
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    rows.filter(|(method, _)| method.contains('/'))
        .filter_map(|(method, rest)| Some((method.to_owned(), rest.split_once(" |")?.0.to_owned())))
        .collect()
}

fn admits(allow: &Allow) -> String {
    let quoted =
        |names: &[String]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match allow {
        Allow::Anyone => "anyone".to_owned(),
        Allow::SignedIn => "signed in".to_owned(),
        Allow::Permission(permission) => format!("`{permission}`"),
        Allow::Services(names) => format!("service {}", quoted(names)),
    }
}

#[test]
fn the_page_says_of_each_method_whom_it_admits() -> Result<()> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/SECURITY.md");
    let page = std::fs::read_to_string(page).context("cannot read docs/SECURITY.md")?;
    let contract = Policies::of(proto::FILE_DESCRIPTOR_SET)?;
    let so = contract.iter().map(|method| {
        let service = method.service.rsplit('.').next().unwrap_or_default();
        (format!("{service}/{}", method.name), admits(&method.allow))
    });
    // As sets, so that only what differs is shown.
    let (so, told): (BTreeMap<_, _>, _) = (so.collect(), told(&page));
    let missing: Vec<_> = so.iter().filter(|(method, allow)| told.get(*method) != Some(*allow)).collect();
    let surplus: Vec<_> = told.keys().filter(|method| !so.contains_key(*method)).collect();

    assert!(missing.is_empty(), "docs/SECURITY.md lacks or contradicts {missing:?}");
    assert!(surplus.is_empty(), "docs/SECURITY.md names what the contract doesn't have: {surplus:?}");
    Ok(())
}
