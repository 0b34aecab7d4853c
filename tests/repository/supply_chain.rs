//! Cargo.lock against what is known of versions of packages: `.ci/advisories.toml`.

use std::collections::{BTreeMap, BTreeSet};

use pretty_assertions::assert_eq;
use semver::{Version, VersionReq};
use serde::Deserialize;

use crate::architecture::tree::root;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    reviewed: String,
    banned: BTreeMap<String, String>,
    accepted: BTreeMap<String, String>,
    advisories: Vec<Advisory>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advisory {
    id: String,
    package: String,
    versions: VersionReq,
    about: String,
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: Version,
    source: Option<String>,
}

/// What is wrong with a lock file, a line each.
fn wrong(known: &Known, lock: &Lock) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut needed = BTreeSet::new();
    for Package { name, version, source } in &lock.package {
        if let Some(why) = known.banned.get(name) {
            wrong.push(format!("{name} {version} is banned: {why}"));
        }
        if source.as_ref().is_some_and(|source| !source.starts_with("registry+https://github.com/rust-lang/"))
        {
            wrong.push(format!("{name} {version} comes from elsewhere"));
        }
        for Advisory { id, package, versions, about } in &known.advisories {
            if package != name || !versions.matches(version) {
                continue;
            }
            needed.insert(id);
            if !known.accepted.contains_key(id) {
                wrong.push(format!("{name} {version}: {id}, {about}"));
            }
        }
    }
    let idle = known.accepted.keys().filter(|id| !needed.contains(id));
    wrong.extend(idle.map(|id| format!("{id} is accepted and nothing needs it")));
    wrong
}

fn read<T: serde::de::DeserializeOwned>(path: &str) -> T {
    let text = std::fs::read_to_string(root().join(path)).unwrap();
    toml::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}"))
}

#[test]
fn what_we_ship_with_has_no_known_fault_without_a_reason() {
    let known: Known = read(".ci/advisories.toml");
    let date: Vec<_> = known.reviewed.split('-').map(str::len).collect();
    assert_eq!(date, [4, 2, 2]);
    assert_eq!(wrong(&known, &read("Cargo.lock")), Vec::<String>::new());
}

/// Compares a lock file of one package with what is known in the repository, nothing accepted.
#[track_caller]
fn check(name: &str, version: &str, source: &str, want: &[&str]) {
    let known = Known { accepted: BTreeMap::new(), ..read(".ci/advisories.toml") };
    let source = (!source.is_empty()).then(|| source.to_owned());
    let package = Package { name: name.into(), version: version.parse().unwrap(), source };
    assert_eq!(wrong(&known, &Lock { package: vec![package] }), want);
}

#[test]
fn planted_faults_are_found() {
    let registry = "registry+https://github.com/rust-lang/crates.io-index";
    check("h2", "0.3.27", registry, &["h2 0.3.27: RUSTSEC-2026-0258, empty DATA frames cost without end"]);
    check("h2", "0.4.14", registry, &[]);
    check("slab", "0.4.10", registry, &["slab 0.4.10: RUSTSEC-2025-0047, access out of bounds"]);
    check("slab", "0.4.12", registry, &[]);
    check("openssl-sys", "0.9.0", registry, &["openssl-sys 0.9.0 is banned: TLS is rustls"]);
    check("serde", "1.0.0", "git+https://example.com/serde", &["serde 1.0.0 comes from elsewhere"]);
    check("open-responses", "0.1.0", "", &[]);
    let known = Known { advisories: Vec::new(), ..read(".ci/advisories.toml") };
    assert_eq!(wrong(&known, &Lock { package: Vec::new() }).len(), known.accepted.len());
}
