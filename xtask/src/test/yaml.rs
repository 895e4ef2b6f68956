//! Reading YAML as JSON's values: charts, alert rules, definitions of kinds.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use serde_json::Value;

/// Every document of a text.
pub(super) fn parse(text: &str) -> Result<Vec<Value>> {
    // The definitions of some kinds are larger than what a parser takes from strangers.
    let options = serde_saphyr::options! { budget: None };
    Ok(serde_saphyr::from_multiple_with_options(text, options)?)
}

/// Every document of a file.
pub(super) fn read(file: &Path) -> Result<Vec<Value>> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    parse(&text).with_context(|| format!("{} is no YAML", file.display()))
}
