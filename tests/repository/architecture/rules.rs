//! Words that must not stand in code or documents, and the length of files.

use pretty_assertions::assert_eq;

use super::packages::{Package, SUPPORT};
use super::tree::{Tree, files, read, root};

/// Neither I/O nor a clock.
const PURE: [&str; 4] = ["or-protocol", "or-adapters", "or-demo", "or-engine"];

/// A file is better split above this.
const LONG: usize = 400;
/// And must be above this.
const TOO_LONG: usize = 500;

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

/// A place where a word may stand: how the file's path begins, and a part of the line.
type Allowed = (&'static str, &'static str);

/// Places in code where one of `words` stands and is not allowed, and what is allowed in vain.
fn places(paths: &[String], words: &[&str], allowed: &[Allowed]) -> Vec<String> {
    let mut found = Vec::new();
    let mut needless: Vec<&Allowed> = allowed.iter().collect();
    for path in paths {
        for (number, line) in code(path) {
            if !words.iter().any(|word| line.contains(word)) {
                continue;
            }
            let fits = |(file, part): &Allowed| path.starts_with(file) && line.contains(part);
            if !allowed.iter().any(fits) {
                found.push(format!("{path}:{number}: {}", line.trim()));
            }
            needless.retain(|allowed| !fits(allowed));
        }
    }
    found.extend(
        needless.into_iter().map(|(file, part)| format!("{file}: `{part}` is allowed and not there")),
    );
    found
}

#[test]
fn translation_and_engine_are_pure() {
    let runtime =
        ["tokio", "actix", "actix-rt", "actix-web", "actix-http", "awc", "sled", "reqwest", "hyper"];
    let mut packages = Package::of(&Tree::of_repository());
    packages.retain(|package| PURE.contains(&package.name.as_str()));
    for package in &packages {
        let used: Vec<_> = runtime.iter().filter(|name| package.dependencies.contains(**name)).collect();
        assert_eq!(used, Vec::<&&str>::new(), "{} depends on a runtime", package.name);
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
    let paths: Vec<String> = packages.iter().flat_map(|p| files(&p.sources(), &[".rs"])).collect();
    assert_eq!(places(&paths, &words, &allowed), Vec::<String>::new());
}

/// The demo model is a provider like the others. Configuration is about providers, so it may know them.
#[test]
fn only_adapters_know_providers() {
    let words = [
        "openai",
        "OpenAi",
        "OPENAI",
        "anthropic",
        "Anthropic",
        "gemini",
        "Gemini",
        "ollama",
        "Ollama",
        "demo",
        "Demo",
    ];
    let allowed = [
        // A header's name, which clients of the API know.
        ("src/http/", "\"openai-processing-ms\""),
        // Names of events, by whose API has them.
        ("src/engine/src/events.rs", "OpenAi"),
        ("src/http/src/dialect.rs", "OpenAi"),
        // Clients by their names.
        ("src/http/src/dialect.rs", "openai"),
        // Answers that are made in the process.
        ("actors/src/provider/", "emo"),
        ("src/wiring.rs", "Transport::Demo"),
    ];
    let packages = Package::of(&Tree::of_repository());
    let knowing = ["or-adapters", "or-demo", SUPPORT, "open-responses"];
    let others = packages.iter().filter(|package| !knowing.contains(&package.name.as_str()));
    let mut paths: Vec<String> = others.flat_map(|package| files(&package.sources(), &[".rs"])).collect();
    paths.extend(files("src", &[".rs"]).into_iter().filter(|path| path.starts_with("src/wiring")));
    assert_eq!(places(&paths, &words, &allowed), Vec::<String>::new());
}

#[test]
fn nothing_is_left_to_do() {
    let folders = ["src", "actors", "examples"];
    let paths: Vec<String> = folders.iter().flat_map(|folder| files(folder, &[".rs"])).collect();
    assert_eq!(places(&paths, &["todo!(", "unimplemented!(", "dbg!("], &[]), Vec::<String>::new());
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
    for path in
        files("", &endings).into_iter().filter(|path| path != "tests/repository/architecture/rules.rs")
    {
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
