//! The rules themselves, on trees in which something is wrong.

use pretty_assertions::assert_eq;

use super::packages::{Package, imports_to_the_right};
use super::tree::Tree;
use super::{broken_inside, orphans};

/// A workspace of one package with an engine in `src/engine`, and these files in its `src`.
fn planted(files: &[(&str, &str)]) -> Tree {
    let tree = Tree::default()
        .with("Cargo.toml", "[workspace]\nmembers = [\"src/engine\"]")
        .with("src/engine/Cargo.toml", "[package]\nname = \"or-engine\"")
        .with("src/engine/src/lib.rs", "");
    files.iter().fold(tree, |tree, (path, text)| {
        let path = format!("src/engine/src/{path}").replace("src/../", "");
        tree.with(&path, text)
    })
}

/// What is found inside, `src/engine/src/` left out of the words.
#[track_caller]
fn check(files: &[(&str, &str)], want: &[&str]) {
    let tree = planted(files);
    let packages = Package::of(&tree);
    let found: Vec<String> = broken_inside(&tree, &packages, &packages[0])
        .into_iter()
        .map(|line| line.replace("src/engine/src/", "").replace("src/engine/src", ""))
        .collect();
    assert_eq!(found, want);
}

#[test]
fn a_circle_of_two_files_is_found() {
    check(
        &[("a.rs", "use crate::b::B;\npub struct A(B);"), ("b.rs", "pub struct B;\nfn f(_: super::a::A) {}")],
        &["circle of files: b.rs → a.rs → b.rs"],
    );
}

#[test]
fn a_circle_of_three_files_is_found_once() {
    check(
        &[
            ("a.rs", "use crate::b::B;\npub struct A(B);"),
            ("b.rs", "use crate::c::C;\npub struct B(C);"),
            ("c.rs", "pub struct C(Option<Box<crate::a::A>>);"),
        ],
        &["circle of files: b.rs → c.rs → a.rs → b.rs"],
    );
}

#[test]
fn a_name_is_followed_to_the_file_that_defines_it() {
    // `b` names the face of the package, which leads back to `a`.
    let faces = [
        ("lib.rs", "mod a;\nmod b;\npub use a::A;\npub use b::*;"),
        ("a.rs", "use crate::B;\npub struct A(B);"),
        ("b.rs", "use super::A as First;\npub struct B(Box<First>);"),
    ];
    check(&faces, &["circle of files: b.rs → a.rs → b.rs"]);
    // A face alone is no circle.
    check(&[("lib.rs", "pub use a::A;"), ("a.rs", "pub struct A;\nuse crate::A as Same;")], &[]);
}

#[test]
fn a_path_through_a_module_that_was_brought_in_is_followed() {
    check(
        &[
            ("a/mod.rs", "pub use deep::f;\nmod deep;"),
            ("a/deep.rs", "pub fn f() { crate::b::g() }"),
            ("b.rs", "use crate::a;\npub fn g() { a::f() }"),
        ],
        &["circle of files: b.rs → a/deep.rs → b.rs"],
    );
}

#[test]
fn what_a_macro_names_counts() {
    check(
        &[
            ("a.rs", "pub fn f() { println!(\"{}\", crate::b::g(1)) }"),
            ("b.rs", "pub fn g(n: u8) { vec![super::a::f()]; }"),
        ],
        &["circle of files: b.rs → a.rs → b.rs"],
    );
}

#[test]
fn a_parent_and_its_children_may_know_each_other() {
    check(
        &[
            ("a/mod.rs", "mod one;\nmod two;\npub const N: u8 = 1;\nfn f() { one::f() }"),
            ("a/one.rs", "pub fn f() { super::two::f() }"),
            ("a/two.rs", "pub fn f() { super::N; }"),
        ],
        &[],
    );
}

#[test]
fn children_may_not_know_each_other_in_a_circle() {
    check(
        &[
            ("a/mod.rs", "mod one;\nmod two;"),
            ("a/one.rs", "pub fn f() { super::two::f() }"),
            ("a/two.rs", "pub fn f() { super::one::f() }"),
        ],
        &["circle of files: a/two.rs → a/one.rs → a/two.rs"],
    );
}

#[test]
fn a_grandchild_that_knows_what_is_above_its_parent_closes_a_circle() {
    check(
        &[
            ("a/mod.rs", "mod b;\npub const N: u8 = 1;\nfn f() { b::f() }"),
            ("a/b/mod.rs", "mod c;\npub fn f() { c::f() }"),
            ("a/b/c.rs", "pub fn f() { super::super::N; }"),
        ],
        &["circle of files: a/mod.rs → a/b/mod.rs → a/b/c.rs → a/mod.rs"],
    );
}

#[test]
fn a_circle_of_sibling_folders_is_found_though_their_files_make_none() {
    let mut files = vec![
        ("a/mod.rs", "mod x;\npub mod z;"),
        ("a/x.rs", "pub struct X(crate::b::y::Y);"),
        ("a/z.rs", "pub struct Z;"),
        ("b/mod.rs", "pub mod y;\nmod w;"),
        ("b/y.rs", "pub struct Y;"),
        ("b/w.rs", "pub struct W(crate::a::z::Z);"),
    ];
    check(&files, &["circle of folders: b → a → b"]);
    // A folder inside `a` is part of it, and so is a file beside a folder of its name.
    files[1] = ("a/c/x.rs", "pub struct X(crate::b::y::Y);");
    files[3] = ("b.rs", "pub mod y;\nmod w;");
    files.push(("a/c/mod.rs", "mod x;"));
    check(&files, &["circle of folders: b → a → b"]);
}

#[test]
fn a_folder_may_use_the_leaves_of_the_one_around_it() {
    check(
        &[
            ("a/mod.rs", "mod leaf;\nmod b;\nfn f() { b::x::f() }"),
            ("a/leaf.rs", "pub const N: u8 = 1;"),
            ("a/b/mod.rs", "pub mod x;"),
            ("a/b/x.rs", "pub fn f() { super::super::leaf::N; }"),
        ],
        &[],
    );
}

#[test]
fn tests_close_no_circle_and_fill_no_folder() {
    let test = "use crate::b::B;\n#[test]\nfn f() { B; }";
    let mut files = vec![
        ("a.rs", "pub struct A;\n#[cfg(test)]\nmod tests { use crate::b::B; }"),
        (
            "b.rs",
            "pub struct B(crate::a::A);\n#[cfg(test)]\n#[path = \"b_tests.rs\"]\nmod tests;\n#[cfg(test)]\nuse crate::d::D;",
        ),
        ("d.rs", "#[cfg(test)]\nmod fake;\npub struct D(crate::b::B);"),
        ("d/fake.rs", "pub fn f() { super::super::b::B; crate::e::f() }"),
    ];
    let names: Vec<String> = (0..20).map(|n| format!("n{n}_tests.rs")).collect();
    files.extend(names.iter().map(|name| (name.as_str(), test)));
    check(&files, &[]);
}

#[test]
fn a_sixteenth_file_fills_a_folder() {
    let names: Vec<String> = (0..16).map(|n| format!("a/n{n}.rs")).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();
    check(&files[..15], &[]);
    check(&files, &["full folder: a has 16 files, over 15"]);
}

#[test]
fn an_import_to_the_right_is_found() {
    let package = |name: &str, tables: &str| format!("[package]\nname = \"{name}\"\n{tables}");
    let tree = Tree::default()
        .with(
            "Cargo.toml",
            "[workspace]\nmembers = [\"e\", \"d\", \"s\", \"new\"]\n[package]\nname = \"open-responses\"",
        )
        .with("e/Cargo.toml", &package("or-engine", "[dependencies]\nor-demo = {}\nor-adapters = {}"))
        .with("d/Cargo.toml", &package("or-demo", "[dev-dependencies]\nor-actors = {}\nor-test-support = {}"))
        .with("s/Cargo.toml", &package("or-test-support", "[dependencies]\nor-protocol = {}"))
        .with("new/Cargo.toml", &package("or-new", "[dependencies]\nserde = {}"));
    let want = [
        "or-engine imports or-demo, which is not to its left",
        "or-demo imports or-actors, which is not to its left",
        "or-test-support imports or-protocol, which is not to its left",
        "or-new stands on no floor; give it one in `FLOORS`",
    ];
    assert_eq!(imports_to_the_right(&Package::of(&tree)), want);
}

#[test]
fn a_file_that_no_module_declares_is_found() {
    let tree = planted(&[
        ("lib.rs", "mod a;\n#[cfg(test)]\n#[path = \"tests/b.rs\"]\nmod tests;"),
        ("a/mod.rs", "pub(crate) mod c;"),
        ("a/c.rs", ""),
        ("a/lost.rs", ""),
        ("tests/b.rs", ""),
        ("tests/lost.rs", ""),
        ("../tests/behaviour/main.rs", "mod known;"),
        ("../tests/behaviour/known.rs", "mod inner;"),
        ("../tests/behaviour/known/inner.rs", ""),
        ("../tests/behaviour/lost.rs", ""),
    ]);
    let lost: Vec<String> =
        orphans::of(&tree, &Package::of(&tree)).iter().map(|line| line.replace("src/engine/", "")).collect();
    assert_eq!(
        lost,
        ["src/a/lost.rs", "src/tests/lost.rs", "tests/behaviour/lost.rs"]
            .map(|path| format!("no module declares {path}"))
    );
}
