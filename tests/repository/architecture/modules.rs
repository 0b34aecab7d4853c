//! The modules of one package, with their files, and which file a path leads to.

use std::collections::{BTreeMap, BTreeSet};

use super::packages::Package;
use super::references::Source;
use super::tree::Tree;

/// Names of modules from the root of the package.
pub(super) type ModulePath = Vec<String>;

/// How many re-exports a path may lead through.
const DEPTH: usize = 16;

pub(super) struct Modules {
    sources: BTreeMap<ModulePath, Source>,
    /// The module of a binary beside a library, which no path leads to.
    binary: Option<Source>,
}

impl Modules {
    /// Reads the package's sources. Files of tests are left out: they are read with the file they test.
    pub(super) fn of(tree: &Tree, package: &Package, packages: &[Package]) -> Self {
        let sources = package.sources();
        let others: Vec<String> =
            packages.iter().filter(|p| !p.folder.is_empty()).map(|p| format!("{}/", p.folder)).collect();
        let is_own = |path: &&str| {
            path.starts_with(&sources)
                && path.ends_with(".rs")
                && !path.ends_with("_tests.rs")
                && !path.contains("/tests/")
                // The root's folder has other packages in it.
                && !others.iter().any(|other| !sources.starts_with(other) && path.starts_with(other))
        };
        let mut modules = Self { sources: BTreeMap::new(), binary: None };
        for path in tree.paths().filter(is_own) {
            let module = module_of(path.trim_start_matches(&sources));
            let source = Source::read(path, &module, tree.text(path).unwrap_or_default());
            if module.is_empty() && path.ends_with("main.rs") {
                modules.binary = Some(source);
            } else {
                modules.sources.insert(module, source);
            }
        }
        let tests: BTreeSet<ModulePath> =
            modules.all().flat_map(|source| source.test_modules.iter().cloned()).collect();
        modules.sources.retain(|module, _| !(1..=module.len()).any(|n| tests.contains(&module[..n])));
        modules
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Source> {
        self.sources.values().chain(&self.binary)
    }

    /// The file of a module.
    pub(super) fn file(&self, module: &[String]) -> Option<&str> {
        self.sources.get(module).map(|source| source.path.as_str())
    }

    /// Edges from a file to those that define what it names.
    pub(super) fn edges(&self) -> BTreeSet<(&str, &str)> {
        let mut edges = BTreeSet::new();
        for source in self.all() {
            for (module, path) in &source.references {
                if let Some(target) = self.defines(module, path, DEPTH)
                    && target != source.path
                {
                    edges.insert((source.path.as_str(), target));
                }
            }
        }
        edges
    }

    /// The file that defines what `path` names when it is said in `module`.
    fn defines(&self, module: &[String], path: &[String], depth: usize) -> Option<&str> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => self.below(&[], rest, depth),
            "self" => self.below(module, rest, depth),
            "super" => self.upwards(module, rest, depth),
            _ => self.below(module, path, depth),
        }
    }

    /// `module` is where the last `super` stands.
    fn upwards(&self, module: &[String], rest: &[String], depth: usize) -> Option<&str> {
        let (_, parent) = module.split_last()?;
        match rest.split_first() {
            Some((next, rest)) if next == "super" => self.upwards(parent, rest, depth),
            _ => self.below(parent, rest, depth),
        }
    }

    /// Goes down from a module as far as names are modules; then the name is defined or brought in there.
    fn below(&self, module: &[String], path: &[String], depth: usize) -> Option<&str> {
        let mut module = module.to_vec();
        let mut path = path;
        while let Some((next, rest)) = path.split_first() {
            let child: ModulePath = module.iter().chain([next]).cloned().collect();
            if !self.sources.contains_key(&child) {
                break;
            }
            (module, path) = (child, rest);
        }
        // A module alone is no definition: what is used of it is named elsewhere.
        let name = path.first()?;
        // An inline module is part of its file.
        let source = (0..=module.len()).rev().find_map(|n| self.sources.get(&module[..n]))?;
        if source.definitions.contains(name) {
            return Some(&source.path);
        }
        let depth = depth.checked_sub(1)?;
        if let Some((at, bound)) = source.bindings.get(name) {
            let whole: Vec<String> = bound.iter().chain(&path[1..]).cloned().collect();
            return self.defines(at, if self.is_module(at, bound, depth) { &whole } else { bound }, depth);
        }
        source.globs.iter().find_map(|(at, glob)| {
            let inside: Vec<String> = glob.iter().chain([name]).cloned().collect();
            self.defines(at, &inside, depth)
        })
    }

    /// Whether what `path` names is a module, so that more may follow on it.
    fn is_module(&self, module: &[String], path: &[String], depth: usize) -> bool {
        self.defines(module, path, depth).is_none()
    }
}

/// `a/b.rs` and `a/b/mod.rs` are the module `a::b`.
fn module_of(path: &str) -> ModulePath {
    let mut names: ModulePath = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    match names.last().map(String::as_str) {
        Some("mod") => _ = names.pop(),
        Some("lib" | "main") if names.len() == 1 => names.clear(),
        _ => {}
    }
    names
}
