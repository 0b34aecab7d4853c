//! Packages of the workspace, and the floors they stand on.

use std::collections::BTreeSet;

use super::tree::Tree;

/// Packages from the lowest floor to the highest; each may import only from floors below its own, in its tests
/// too. `or-telemetry` has a floor of its own, because stores and tools count what they do, and so has `or-wire`, because
/// tools and actors send requests.
pub(super) const FLOORS: [&[&str]; 10] = [
    &["or-conformance"],
    &["or-protocol"],
    &["or-adapters", "or-bounds", "or-keys"],
    &["or-engine", "or-demo"],
    &["or-telemetry"],
    &["or-wire"],
    &["or-store", "or-middleware", "or-tools"],
    &["or-actors", "or-webhooks"],
    &["or-http"],
    &["open-responses"],
];

/// What only tests may use; it uses none of the server's, so that it can serve all of them. Only the lowest floor is to its
/// left.
pub(super) const SUPPORT: &str = "or-test-support";

/// A member of the workspace.
#[derive(Clone, Debug)]
pub(super) struct Package {
    pub(super) name: String,
    /// Its folder from the root; `""` at the root.
    pub(super) folder: String,
    /// Names of what it is built of.
    pub(super) dependencies: BTreeSet<String>,
    /// Names of what only its tests are built of.
    pub(super) for_tests: BTreeSet<String>,
}

impl Package {
    pub(super) fn of(tree: &Tree) -> Vec<Self> {
        let root = manifest(tree, "Cargo.toml");
        let members = root["workspace"]["members"].as_array().unwrap();
        let folders = members.iter().map(|member| member.as_str().unwrap().to_owned());
        let own = root.contains_key("package").then(String::new);
        folders.chain(own).map(|folder| Self::read(tree, folder)).collect()
    }

    fn read(tree: &Tree, folder: String) -> Self {
        let manifest = manifest(tree, &join(&folder, "Cargo.toml"));
        let keys = |tables: &[&str]| {
            let tables = tables.iter().filter_map(|name| manifest.get(*name)?.as_table());
            tables.flat_map(|table| table.keys().cloned()).collect()
        };
        Self {
            name: manifest["package"]["name"].as_str().unwrap().to_owned(),
            dependencies: keys(&["dependencies", "build-dependencies"]),
            for_tests: keys(&["dev-dependencies"]),
            folder,
        }
    }

    /// Where its modules are.
    pub(super) fn sources(&self) -> String {
        join(&self.folder, "src/")
    }
}

fn join(folder: &str, file: &str) -> String {
    if folder.is_empty() { file.to_owned() } else { format!("{folder}/{file}") }
}

fn manifest(tree: &Tree, path: &str) -> toml::Table {
    let text = tree.text(path).unwrap_or_else(|| panic!("there is no {path}"));
    text.parse().unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What is wrong with who depends on whom, a line each.
pub(super) fn imports_to_the_right(packages: &[Package]) -> Vec<String> {
    let floor = |name: &str| FLOORS.iter().position(|floor| floor.contains(&name));
    let mut wrong = Vec::new();
    for package in packages {
        let own = match floor(&package.name) {
            Some(own) => own,
            None if package.name == SUPPORT => 1,
            None => {
                wrong.push(format!("{} stands on no floor; give it one in `FLOORS`", package.name));
                continue;
            }
        };
        for name in &package.dependencies {
            if name == SUPPORT {
                wrong.push(format!("{} is built of {SUPPORT}, which is for tests", package.name));
            }
        }
        for name in package.dependencies.iter().chain(&package.for_tests) {
            if floor(name).is_some_and(|other| other >= own) {
                wrong.push(format!("{} imports {name}, which is not to its left", package.name));
            }
        }
    }
    wrong
}
