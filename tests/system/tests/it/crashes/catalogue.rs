use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;
use system_tests::{Service, crash_points};

/// Acts with points that no shop comes to, and why.
const ELSEWHERE: [(&str, &str); 1] =
    [("attempts.take_back.commit", "no handler of a service says that a call of its own had no answer")];
const AROUND: &str = "fault::around(";

#[test]
fn every_act_in_the_sources_is_in_the_catalogue() -> Result<()> {
    let mut acts = BTreeSet::new();
    for (_, text) in sources()? {
        for (at, _) in text.match_indices(AROUND) {
            let name = text[at + AROUND.len()..].trim_start();
            if let Some(name) = name.strip_prefix('"').and_then(|rest| rest.split('"').next()) {
                acts.insert(name.to_owned());
            }
        }
    }
    let known: BTreeSet<&str> = Service::ALL.into_iter().flat_map(crash_points::acts).copied().collect();
    let unknown: Vec<&String> = acts
        .iter()
        .filter(|act| !known.contains(act.as_str()) && !ELSEWHERE.iter().any(|(name, _)| name == act))
        .collect();
    assert!(unknown.is_empty(), "nobody dies at {unknown:?}: put them into crash_points.rs");
    assert!(acts.len() > 60, "the sources are elsewhere: {acts:?}");
    Ok(())
}

#[test]
fn every_consumer_is_in_the_catalogue() -> Result<()> {
    let known: BTreeSet<&str> = Service::ALL.into_iter().flat_map(crash_points::acts).copied().collect();
    let mut consumers = 0;
    for (path, text) in sources()? {
        for rest in text.split("const DURABLE: &'static str = \"").skip(1) {
            let name = rest.split('"').next().unwrap_or_default();
            consumers += 1;
            for act in ["commit", "ack"] {
                let act = format!("{name}.{act}");
                assert!(known.contains(act.as_str()), "{}: nobody dies at {act}", path.display());
            }
        }
    }
    assert!(consumers >= 20, "{consumers} consumers are not all");
    Ok(())
}

#[test]
fn no_transaction_commits_without_points_around_it() -> Result<()> {
    let mut commits = 0;
    for (path, text) in sources()? {
        for (at, _) in text.match_indices(".commit()") {
            commits += 1;
            let before = &text[..at];
            let since = before.rfind(';').map_or(before, |end| &before[end..]);
            let line = before.lines().count();
            assert!(since.contains(AROUND), "{}:{line} commits where nobody dies", path.display());
        }
    }
    assert!(commits > 40, "{commits} commits are not all");
    Ok(())
}

/// What services are made of, without its tests.
fn sources() -> Result<Vec<(PathBuf, String)>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut folders = vec![root.join("crates"), root.join("services")];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            // Those that stand for machines of the test's own die with the test.
            let is_tests = ["tests", "tests.rs", "testkit", "localservers"].contains(&name.as_str());
            if path.is_dir() && !is_tests {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") && !is_tests {
                let text = fs::read_to_string(&path)?;
                let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned();
                found.push((path, code));
            }
        }
    }
    Ok(found)
}
