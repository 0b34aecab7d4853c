//! Rules of the code base that no compiler holds: layers, purity, names, file length, links, licences.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pretty_assertions::assert_eq;

/// Crates from left to right; each may import only those before it.
const LAYERS: [(&str, &str); 6] = [
    ("or-protocol", "src/protocol"),
    ("or-adapters", "src/adapters"),
    ("or-engine", "src/engine"),
    ("or-actors", "actors"),
    ("or-http", "src/http"),
    ("open-responses", "."),
];

/// Neither I/O nor a clock.
const PURE: [&str; 3] = ["src/protocol", "src/adapters", "src/engine"];

/// A file is better split above this.
const LONG: usize = 400;
/// And must be above this.
const TOO_LONG: usize = 500;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Files below a folder of the repository that end in one of `endings`, by their path in it.
fn files(folder: &str, endings: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() {
                if !["target", ".git", "node_modules", "data"].contains(&name) || is_test_data(&path) {
                    folders.push(path);
                }
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                found.push(path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no files in {folder}");
    found
}

/// `data` at the top is a server's store.
fn is_test_data(path: &Path) -> bool {
    path.ends_with("tests/data")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Lines of code with their numbers: comments, benchmarks and tests are left out; tests stand last in a file.
fn code(path: &str) -> Vec<(usize, String)> {
    if ["/tests/", "/benches/", "_tests.rs"].iter().any(|part| path.contains(part)) {
        return Vec::new();
    }
    let text = read(path);
    let lines = text.lines().take_while(|line| line.trim() != "#[cfg(test)]");
    let lines = lines.enumerate().map(|(n, line)| (n + 1, line.to_owned()));
    lines.filter(|(_, line)| !line.trim_start().starts_with("//")).collect()
}

/// Places in code where one of `words` stands, apart from `allowed` pairs of a file and a part of the line.
fn places(folders: &[&str], words: &[&str], allowed: &[(&str, &str)]) -> Vec<String> {
    let mut found = Vec::new();
    for path in folders.iter().flat_map(|folder| files(folder, &[".rs"])) {
        for (number, line) in code(&path) {
            let hit = words.iter().any(|word| line.contains(word));
            if hit && !allowed.iter().any(|(file, part)| path == *file && line.contains(part)) {
                found.push(format!("{path}:{number}: {}", line.trim()));
            }
        }
    }
    found
}

/// The tables of dependencies of a crate, for building and for tests.
fn dependencies(folder: &str) -> BTreeSet<String> {
    let manifest: toml::Table = read(&format!("{folder}/Cargo.toml")).parse().unwrap();
    let keys = |table: &str| manifest.get(table).and_then(toml::Value::as_table).cloned().unwrap_or_default();
    keys("dependencies").into_iter().chain(keys("build-dependencies")).map(|(name, _)| name).collect()
}

#[test]
fn a_crate_imports_only_to_the_left() {
    for (n, (name, folder)) in LAYERS.iter().enumerate() {
        let left: BTreeSet<_> = LAYERS.iter().take(n).map(|(name, _)| (*name).to_owned()).collect();
        let ours: BTreeSet<_> =
            dependencies(folder).into_iter().filter(|name| name.starts_with("or-")).collect();
        let wrong: Vec<_> = ours.difference(&left).collect();
        assert_eq!(wrong, Vec::<&String>::new(), "{name} imports to the right");
    }
}

#[test]
fn translation_and_engine_are_pure() {
    let runtime =
        ["tokio", "actix", "actix-rt", "actix-web", "actix-http", "awc", "sled", "reqwest", "hyper"];
    for folder in PURE {
        let used = dependencies(folder);
        let wrong: Vec<_> = runtime.iter().filter(|name| used.contains(**name)).collect();
        assert_eq!(wrong, Vec::<&&str>::new(), "{folder} depends on a runtime");
    }
    let words = [
        "std::fs",
        "std::net",
        "std::env",
        "std::process",
        "std::thread",
        "SystemTime",
        "Instant::now",
        "println!",
        "tracing::",
        "Uuid::now",
    ];
    // Ids are made from the clock in one place.
    let allowed = [("src/protocol/src/ids.rs", "Uuid::now_v7")];
    assert_eq!(places(&PURE, &words, &allowed), Vec::<String>::new());
}

#[test]
fn only_adapters_know_providers() {
    let words =
        ["openai", "OpenAi", "OPENAI", "anthropic", "Anthropic", "gemini", "Gemini", "ollama", "Ollama"];
    let allowed = [
        // A header's name, which clients of the API know.
        ("src/http/src/create.rs", "\"openai-processing-ms\""),
        ("src/http/src/server.rs", "\"openai-processing-ms\""),
        ("src/http/src/envelope.rs", "\"openai-processing-ms\""),
        // Names of events, by whose API has them.
        ("src/engine/src/events.rs", "OpenAi"),
    ];
    assert_eq!(places(&["actors", "src/http", "src/engine"], &words, &allowed), Vec::<String>::new());
}

#[test]
fn nothing_is_left_to_do() {
    let folders = ["src", "actors", "examples"];
    assert_eq!(places(&folders, &["todo!(", "unimplemented!(", "dbg!("], &[]), Vec::<String>::new());
}

#[test]
fn files_are_short() {
    let mut too_long = Vec::new();
    for path in files("", &[".rs"]) {
        let lines = read(&path).lines().count();
        if lines > TOO_LONG {
            too_long.push(format!("{path}: {lines} lines"));
        } else if lines > LONG {
            eprintln!("warning: {path} has {lines} lines, over {LONG}");
        }
    }
    assert_eq!(too_long, Vec::<String>::new(), "over {TOO_LONG} lines");
}

#[test]
fn no_path_of_somebodys_machine() {
    let mut found = Vec::new();
    let endings = [".rs", ".toml", ".md", ".sh", ".py", ".mjs", ".html", ".yml", ".json", "run"];
    for path in files("", &endings).into_iter().filter(|path| path != "tests/repository/architecture.rs") {
        for (n, line) in read(&path).lines().enumerate() {
            if ["/home/", "/Users/", "/root/", "/work/"].iter().any(|part| line.contains(part)) {
                found.push(format!("{path}:{}: {}", n + 1, line.trim()));
            }
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn links_in_documents_lead_somewhere() {
    let mut broken = Vec::new();
    for path in files("", &[".md"]) {
        let text = read(&path);
        let folder = root().join(&path).parent().unwrap().to_owned();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            if !target.is_empty() && !target.contains(':') && !folder.join(target).exists() {
                broken.push(format!("{path}: {link}"));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn every_example_is_run() {
    let script = read("examples/run.sh");
    let examples = files("examples", &[".rs", ".sh", ".py", ".mjs", ".html"]).into_iter();
    let names = examples.map(|path| path.trim_start_matches("examples/").to_owned());
    let left_out: Vec<_> =
        names.filter(|name| name != "run.sh" && !script.contains(&format!("check {name} "))).collect();
    assert_eq!(left_out, Vec::<String>::new(), "not run by examples/run.sh");
}

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
