//! What one file defines, brings in and names, tests left out.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, Macro, UseTree, Visibility};

use super::modules::ModulePath;

/// A path, and the module in which it is said.
pub(super) type Said = (ModulePath, Vec<String>);

pub(super) struct Source {
    pub(super) path: String,
    pub(super) module: ModulePath,
    pub(super) definitions: BTreeSet<String>,
    /// Names that `use` brings in.
    pub(super) bindings: BTreeMap<String, Said>,
    pub(super) globs: Vec<Said>,
    /// Every path that the file names; a re-export names nothing, it is only a face.
    pub(super) references: BTreeSet<Said>,
    /// Modules of files that are built for tests only.
    pub(super) test_modules: Vec<ModulePath>,
}

impl Source {
    pub(super) fn read(path: &str, module: &[String], text: &str) -> Self {
        let parsed = syn::parse_file(text).unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut source = Self {
            path: path.to_owned(),
            module: module.to_vec(),
            definitions: parsed.items.iter().filter_map(defined).collect(),
            bindings: BTreeMap::new(),
            globs: Vec::new(),
            references: BTreeSet::new(),
            test_modules: Vec::new(),
        };
        Reader { module: module.to_vec(), source: &mut source }.visit_file(&parsed);
        source
    }
}

/// The name of an item that other files may use.
fn defined(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Mod(item) if item.content.is_some() => &item.ident,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}

struct Reader<'s> {
    /// Where it stands, inline modules included.
    module: ModulePath,
    source: &'s mut Source,
}

impl Reader<'_> {
    /// The leaves of a `use`: the name that is brought in, and what it stands for.
    fn leaves(&mut self, tree: &UseTree, before: &[String], names: bool) {
        let path = |name: &dyn ToString| before.iter().cloned().chain([name.to_string()]).collect::<Vec<_>>();
        let (name, path) = match tree {
            UseTree::Path(tree) => return self.leaves(&tree.tree, &path(&tree.ident), names),
            UseTree::Group(group) => {
                return group.items.iter().for_each(|tree| self.leaves(tree, before, names));
            }
            UseTree::Glob(_) => return self.source.globs.push((self.module.clone(), before.to_vec())),
            UseTree::Name(tree) if tree.ident == "self" => {
                (before.last().cloned().unwrap_or_default(), before.to_vec())
            }
            UseTree::Name(tree) => (tree.ident.to_string(), path(&tree.ident)),
            UseTree::Rename(tree) => (tree.rename.to_string(), path(&tree.ident)),
        };
        if names {
            self.source.references.insert((self.module.clone(), path.clone()));
        }
        // `use x::x` would lead to itself.
        if path.len() > 1 {
            self.source.bindings.insert(name, (self.module.clone(), path));
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        match item {
            Item::Mod(module) if is_for_tests(&module.attrs) => {
                let child = self.module.iter().cloned().chain([module.ident.to_string()]).collect();
                self.source.test_modules.push(child);
            }
            item if attributes(item).is_some_and(is_for_tests) => {}
            item => visit::visit_item(self, item),
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.leaves(&item.tree, &[], matches!(item.vis, Visibility::Inherited));
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.source.references.insert((self.module.clone(), names));
        visit::visit_path(self, path);
    }

    /// The arguments of a macro are only words.
    fn visit_macro(&mut self, call: &'ast Macro) {
        let words = call.tokens.to_string();
        let mut path: Vec<String> = Vec::new();
        let mut joined = false;
        for word in split(&words) {
            if word == "::" {
                joined = true;
                continue;
            }
            if !joined && path.len() > 1 {
                self.source.references.insert((self.module.clone(), std::mem::take(&mut path)));
            }
            if !joined {
                path.clear();
            }
            path.push(word.to_owned());
            joined = false;
        }
        if path.len() > 1 {
            self.source.references.insert((self.module.clone(), path));
        }
        visit::visit_macro(self, call);
    }
}

/// Words and `::`; everything else parts them.
fn split(tokens: &str) -> impl Iterator<Item = &str> {
    let spaced = tokens.split_whitespace();
    spaced.flat_map(|token| {
        let mut rest = token;
        std::iter::from_fn(move || {
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            let end = match rest.chars().next()? {
                c if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
                ':' if rest.starts_with("::") => 2,
                c => c.len_utf8(),
            };
            let (word, more) = rest.split_at(end);
            rest = more;
            Some(word)
        })
    })
}

fn attributes(item: &Item) -> Option<&[Attribute]> {
    Some(match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => return None,
    })
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    let is_cfg = |a: &&Attribute| a.path().is_ident("cfg");
    attributes.iter().filter(is_cfg).any(|a| {
        let condition = a.meta.require_list().map(|list| list.tokens.to_string()).unwrap_or_default();
        condition == "test" || condition.starts_with("all (test") || condition.starts_with("all(test")
    })
}
