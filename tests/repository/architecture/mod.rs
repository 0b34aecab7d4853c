//! Rules of the code base that no compiler holds: floors, circles, purity, names, file length, links, licences.
//!
//! Packages stand on [`packages::FLOORS`]. Inside a package, no files import each other in a circle, nor do the
//! folders of one folder, and a folder has at most [`MOST`] files. Names are followed through re-exports to the
//! file that defines them; calls of methods are not seen. Code that is built for tests only does not count.

mod circles;
mod licences;
mod modules;
mod orphans;
mod packages;
mod planted;
mod references;
mod rules;
pub(crate) mod tree;

use std::collections::BTreeMap;

use pretty_assertions::assert_eq;

use modules::Modules;
use packages::Package;
use tree::Tree;

/// Files of a folder. Files of tests that lie beside the code (`*_tests.rs`, `tests/`) are not counted: a reader
/// opens them with the file that they test.
const MOST: usize = 15;

/// What breaks the rules for the inside of a package, a line each.
fn broken_inside(tree: &Tree, packages: &[Package], package: &Package) -> Vec<String> {
    let modules = Modules::of(tree, package, packages);
    let files = circles::of_files(&modules).into_iter().map(|circle| format!("circle of files: {circle}"));
    let folders =
        circles::of_folders(&modules).into_iter().map(|circle| format!("circle of folders: {circle}"));
    files.chain(folders).chain(full_folders(&modules)).collect()
}

fn full_folders(modules: &Modules) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for source in modules.all() {
        let (folder, _) = source.path.rsplit_once('/').unwrap_or_default();
        *counts.entry(folder).or_default() += 1;
    }
    let full = counts.into_iter().filter(|(_, count)| *count > MOST);
    full.map(|(folder, count)| format!("full folder: {folder} has {count} files, over {MOST}")).collect()
}

#[test]
fn a_package_imports_only_to_the_left() {
    let packages = Package::of(&Tree::of_repository());
    assert_eq!(packages::imports_to_the_right(&packages), Vec::<String>::new());
}

#[test]
fn every_file_is_read_by_the_compiler() {
    let tree = Tree::of_repository();
    assert_eq!(orphans::of(&tree, &Package::of(&tree)), Vec::<String>::new());
}

#[test]
fn packages_are_free_of_circles_and_of_full_folders() {
    let tree = Tree::of_repository();
    let packages = Package::of(&tree);
    let broken: Vec<String> =
        packages.iter().flat_map(|package| broken_inside(&tree, &packages, package)).collect();
    assert_eq!(broken, Vec::<String>::new());
}
