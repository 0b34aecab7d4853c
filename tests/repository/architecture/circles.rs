//! Circles in a graph of files, and in that of sibling folders.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::modules::Modules;

/// Two functions of one recursive grammar, each in a file of its own, may call each other. Pairs of files, with
/// the reason.
pub(super) const GRAMMARS: [(&str, &str, &str); 0] = [];

/// Who names whom.
#[derive(Default)]
struct Graph<'a>(BTreeMap<&'a str, BTreeSet<&'a str>>);

impl<'a> Graph<'a> {
    fn new(edges: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut graph = Self::default();
        for (from, to) in edges {
            graph.0.entry(from).or_default().insert(to);
        }
        graph
    }

    fn edges(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().flat_map(|(from, to)| to.iter().map(|to| (*from, *to)))
    }

    /// A shortest way, both ends included, over nodes that `passes` lets through.
    fn way(&self, from: &'a str, to: &'a str, passes: impl Fn(&str) -> bool) -> Option<Vec<&'a str>> {
        let mut before = BTreeMap::from([(from, from)]);
        let mut next = VecDeque::from([from]);
        while let Some(node) = next.pop_front() {
            if node == to {
                let mut way = vec![to];
                while way.last() != Some(&from) {
                    way.push(before[way.last()?]);
                }
                way.reverse();
                return Some(way);
            }
            for other in self.0.get(node).into_iter().flatten().filter(|other| passes(other)) {
                before.entry(other).or_insert_with(|| {
                    next.push_back(other);
                    node
                });
            }
        }
        None
    }
}

/// Circles that share no edge, the shortest first, as `a.rs → b.rs → a.rs`. `closes` gives the shortest way from the
/// end of an edge to its start, if the two may not be in a circle.
fn apart<'a>(
    mut graph: Graph<'a>,
    closes: impl Fn(&Graph<'a>, &'a str, &'a str) -> Option<Vec<&'a str>>,
) -> Vec<String> {
    let mut found = Vec::new();
    while let Some(mut circle) =
        graph.edges().filter_map(|(from, to)| closes(&graph, from, to)).min_by_key(Vec::len)
    {
        circle.extend(circle.first().copied());
        for edge in circle.windows(2) {
            graph.0.entry(edge[0]).or_default().remove(edge[1]);
        }
        found.push(circle.join(" → "));
    }
    found
}

/// Circles of files. A parent and its own children may know each other, so a circle that stays among them is
/// one only if it needs no parent.
pub(super) fn of_files(modules: &Modules) -> Vec<String> {
    let is_grammar =
        |a: &str, b: &str| GRAMMARS.iter().any(|(x, y, _)| (*x, *y) == (a, b) || (*x, *y) == (b, a));
    let graph = Graph::new(modules.edges().into_iter().filter(|(from, to)| !is_grammar(from, to)));
    let parents: BTreeMap<&str, &str> = modules
        .all()
        .filter_map(|source| {
            let (_, parent) = source.module.split_last()?;
            Some((source.path.as_str(), modules.file(parent)?))
        })
        .collect();
    let parent = |file: &str| parents.get(file).copied();
    apart(graph, |graph, from, to| {
        if parent(from) == Some(to) || parent(to) == Some(from) {
            return None;
        }
        let are_siblings = parent(from).is_some() && parent(from) == parent(to);
        graph.way(to, from, |file| !are_siblings || parent(file) == parent(from))
    })
}

/// Circles of folders that lie in one folder. A file `x.rs` beside a folder `x` belongs to the folder.
pub(super) fn of_folders(modules: &Modules) -> Vec<String> {
    let folders: BTreeSet<&str> =
        modules.all().filter_map(|source| Some(source.path.rsplit_once('/')?.0)).collect();
    let home = |file: &'_ str| -> String {
        let own = file.trim_end_matches(".rs");
        if folders.contains(own) {
            own.to_owned()
        } else {
            file.rsplit_once('/').map_or("", |(f, _)| f).to_owned()
        }
    };
    let mut edges: BTreeSet<(String, String)> = BTreeSet::new();
    for (from, to) in modules.edges() {
        edges.extend(parted(&home(from), &home(to)));
    }
    let graph = Graph::new(edges.iter().map(|(from, to)| (from.as_str(), to.as_str())));
    apart(graph, |graph, from, to| graph.way(to, from, |_| true))
}

/// The two siblings in which the ways to two folders part; none if one lies in the other.
fn parted(from: &str, to: &str) -> Option<(String, String)> {
    let (from, to): (Vec<_>, Vec<_>) = (from.split('/').collect(), to.split('/').collect());
    let same = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let one = from.get(..=same)?.join("/");
    Some((one, to.get(..=same)?.join("/")))
}
