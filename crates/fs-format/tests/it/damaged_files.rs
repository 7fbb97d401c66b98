//! One file of every kind of damage, each with the reason that is given for it.

use std::collections::BTreeMap;

use fs_format::decode;

use crate::golden::{directory, read};

#[test]
fn every_damaged_file_has_its_reason() {
    let mut reasons = BTreeMap::new();
    for entry in std::fs::read_dir(directory().join("damaged")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let error =
            decode(&read(&format!("damaged/{name}"))).expect_err("a damaged file is never taken");
        let class = match (error.is_incomplete(), error.is_newer()) {
            (true, _) => "incomplete",
            (_, true) => "newer",
            _ => "quarantined",
        };
        let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
        reasons.insert(
            name,
            format!("{class}, {error}{}", source.unwrap_or_default()),
        );
    }
    insta::assert_debug_snapshot!("damaged_files", reasons);
}
