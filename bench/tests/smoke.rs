//! The benchmark runs; what it measures is nothing that a test could judge.

use std::{error::Error, process::Command};

#[test]
fn every_subject_has_its_row() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let json = folder.path().join("samples.json");
    let output = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(["mesh", "--callers", "1,3", "--seconds", "0.1", "--rounds", "1", "--json"])
        .arg(&json)
        .output()?;
    let table = String::from_utf8(output.stdout)?;
    assert!(output.status.success(), "{table}{}", String::from_utf8_lossy(&output.stderr));
    for (subject, rows) in [
        ("bare plaintext", 1),
        ("mesh plaintext", 2),
        ("bare mTLS", 1),
        ("bare mTLS, deadline", 2),
        ("mesh mTLS", 2),
        ("mesh mTLS, 1 connection", 2),
        ("mesh mTLS, 2 endpoints", 2),
    ] {
        for callers in [1, 3] {
            let row = format!("| {callers} | {subject} | ");
            assert_eq!(table.matches(&row).count(), rows, "{row}\n{table}");
        }
    }
    let record: serde_json::Value = serde_json::from_slice(&std::fs::read(json)?)?;
    assert_eq!(record["samples"].as_array().map(Vec::len), Some(14));
    Ok(())
}
