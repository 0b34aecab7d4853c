//! Licences of what we ship with.

use std::process::Command;

use pretty_assertions::assert_eq;

use super::tree::root;

/// Every package we ship with comes from crates.io under a licence that asks for no more than a notice.
#[test]
fn dependencies_have_permissive_licences() {
    let free = [
        "0BSD",
        "Apache-2.0",
        "Apache-2.0 WITH LLVM-exception",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "BSL-1.0",
        "CC0-1.0",
        "CDLA-Permissive-2.0",
        "ISC",
        "MIT",
        "MIT-0",
        "Unicode-3.0",
        "Unlicense",
        "Zlib",
    ];
    let arguments =
        ["metadata", "--locked", "--format-version", "1", "--filter-platform", "x86_64-unknown-linux-gnu"];
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut wrong = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        let Some(source) = package["source"].as_str() else { continue };
        let licence = package["license"].as_str().unwrap_or("none").replace('/', " OR ");
        // `A AND (B OR C)`: every part of the conjunction must have a choice that is free.
        let ok = licence.split(" AND ").all(|part| {
            part.split(" OR ").any(|choice| free.contains(&choice.trim_matches(|c| "() ".contains(c))))
        });
        if !ok || !source.starts_with("registry+") {
            wrong.push(format!("{}: {licence}, from {source}", package["name"]));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}
