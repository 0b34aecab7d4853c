//! The metrics that the documents, the dashboard and the alert rules name are those that the server has.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

/// What begins the name of a metric.
const PREFIXES: [&str; 3] = ["open_responses_", "process_", "tokio_"];
/// What Prometheus makes of a histogram.
const SUFFIXES: [&str; 3] = ["_bucket", "_count", "_sum"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// Names in a text, those in PromQL included.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| PREFIXES.iter().any(|prefix| word.starts_with(prefix))).map(str::to_owned).collect()
}

/// The families that the server registers: texts in the source of the metrics that are names and nothing else.
fn families() -> BTreeSet<String> {
    let folder = root().join("src/telemetry/src/metrics");
    let mut families = BTreeSet::new();
    for file in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        let text = text.split("#[cfg(test)]").next().unwrap();
        let texts = text.split('"').skip(1).step_by(2).filter(|text| names(text).contains(*text));
        families.extend(texts.map(str::to_owned));
    }
    families
}

fn check(what: &str, text: &str) -> BTreeSet<String> {
    let families = families();
    let family = |name: &String| {
        let short = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix));
        [Some(name.as_str()), short]
            .into_iter()
            .flatten()
            .find(|name| families.contains(*name))
            .map(str::to_owned)
    };
    let (known, unknown): (Vec<_>, Vec<_>) = names(text).into_iter().partition(|name| family(name).is_some());
    assert!(unknown.is_empty(), "{what} names metrics that there are not: {unknown:?}");
    known.iter().filter_map(family).collect()
}

/// All queries of a dashboard.
fn queries(value: &Value, found: &mut String) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                if let (true, Some(text)) = (["expr", "query"].contains(&name.as_str()), member.as_str()) {
                    found.push_str(text);
                    found.push('\n');
                }
                queries(member, found);
            }
        }
        Value::Array(list) => list.iter().for_each(|member| queries(member, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn the_dashboard_asks_for_what_there_is() {
    let dashboard: Value = serde_json::from_str(&read("docs/grafana/open-responses.json")).unwrap();
    let mut text = String::new();
    queries(&dashboard, &mut text);
    assert!(check("the dashboard", &text).len() > 30, "{text}");
}

#[test]
fn the_alerts_ask_for_what_there_is() {
    assert!(check("the alert rules", &read("docs/grafana/alerts.yml")).len() > 5);
}

#[test]
fn the_page_has_every_metric() {
    let page = read("docs/observability.md");
    // In its tables the prefix is in the head.
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.filter_map(|line| line.split('|').nth(1));
    let named: BTreeSet<_> = cells.flat_map(|cell| cell.split('`')).map(str::to_owned).collect();
    let on_page = |name: &String| {
        named.contains(name.trim_start_matches("open_responses_")) || names(&page).contains(name.as_str())
    };
    let missing: Vec<_> = families().into_iter().filter(|name| !on_page(name)).collect();
    assert!(missing.is_empty(), "docs/observability.md says nothing of {missing:?}");
}

#[test]
fn other_pages_name_what_there_is() {
    for page in fs::read_dir(root().join("docs")).unwrap() {
        let path = page.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "md") {
            let text = fs::read_to_string(&path).unwrap();
            // Names of folders and links, and of the crate.
            let text = text.replace("open_responses::", "").replace("open_responses_…", "");
            check(&path.display().to_string(), &text);
        }
    }
}
