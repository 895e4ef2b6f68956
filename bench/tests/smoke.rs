//! The benchmark runs; what it measures is nothing that a test could judge.

use std::{error::Error, process::Command};

#[test]
fn orders_are_counted_beside_pgbench_and_verified() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let json = folder.path().join("orders.json");
    let output = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(["orders", "--callers", "2", "--rate", "5", "--hot", "--seconds", "1", "--rounds", "1"])
        .args(["--books", "50", "--customers", "2", "--clients", "2"])
        // Those of the tests: built for itself, they would share fewer crates with what else is tested.
        .arg("--programs")
        .arg(system_tests::programs()?)
        .arg("--json")
        .arg(&json)
        .output()?;
    let table = String::from_utf8(output.stdout)?;
    assert!(output.status.success(), "{table}{}", String::from_utf8_lossy(&output.stderr));
    for row in ["| 2 callers | 2 lines |", "| 5/s | 2 lines |", "| 2 callers | 2 lines, one hot |"] {
        // Speed and cost.
        assert_eq!(table.matches(row).count(), 2, "{row}\n{table}");
    }
    let record: serde_json::Value = serde_json::from_slice(&std::fs::read(json)?)?;
    assert_eq!(record["turns"].as_array().map(Vec::len), Some(4));
    let verified = record["stands"][0]["verified"].as_u64();
    let counted: Option<u64> = record["turns"]
        .as_array()
        .and_then(|turns| turns.iter().map(|turn| turn["sample"]["confirmed"].as_u64()).sum());
    assert!(verified >= counted && counted > Some(0), "{verified:?} of {counted:?}");
    Ok(())
}

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
